@echo off
rem Tries a finished bundle: packaging\smoke dist\cpu\easel
if not defined EASEL_PYTHON set "EASEL_PYTHON=python"
"%EASEL_PYTHON%" "%~dp0smoke.py" %*
