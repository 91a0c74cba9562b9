@echo off
rem Brings a clone and its environment up to date; changes of your own are left alone.
git -C "%~dp0.." diff --quiet HEAD || (echo easel update: there are changes of your own; commit them or undo them first. >&2 & exit /b 2)
git -C "%~dp0.." pull --ff-only && call "%~dp0install.bat" %*
