@echo off
rem Makes the bundle for one backend: packaging\build cpu|cuda|rocm [--out FOLDER] [--work FOLDER]
if not defined EASEL_PYTHON set "EASEL_PYTHON=python"
"%EASEL_PYTHON%" "%~dp0build.py" %*
