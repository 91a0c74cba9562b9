@echo off
rem Runs Easel's command line: tools\run-cmd generate "a red apple". The first call makes the environment.
setlocal
set "root=%~dp0.."
set "stale=%EASEL_BACKEND%"
if not exist "%root%\.venv\easel-ready" set "stale=1"
rem xcopy /d /l lists the project file when it is newer than the stamp, and copies nothing.
for /f "delims=" %%f in ('xcopy /d /l /y "%root%\pyproject.toml" "%root%\.venv\easel-ready*" 2^>nul ^| find "pyproject.toml"') do set "stale=1"
if defined stale call "%~dp0install.bat" || exit /b
set "PYTHONPATH=%root%"
"%root%\.venv\Scripts\python.exe" -P -m app %*
