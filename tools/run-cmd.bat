@echo off
rem Runs Easel's command line: tools\run-cmd generate "a red apple". The first call makes the environment.
setlocal
set "root=%~dp0.."
if not exist "%root%\.venv\easel-ready" call "%root%\tools\install.bat" || exit /b 2
set "PYTHONPATH=%root%"
"%root%\.venv\Scripts\python.exe" -P -m app %*
