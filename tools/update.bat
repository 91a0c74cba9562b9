@echo off
rem Brings a clone and its environment up to date; changes of your own are left alone.
git -C "%~dp0.." pull --ff-only && call "%~dp0install.bat" %*
