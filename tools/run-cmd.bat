@echo off
rem Runs Easel's command line: tools\run-cmd generate "a red apple". The first call makes the environment.
setlocal
set "root=%~dp0.."
rem After an update the version that .easel\current names is the one to run.
set "version="
if exist "%root%\.easel\current" set /p version=<"%root%\.easel\current"
if defined version if exist "%root%\.easel\versions\%version%\tools\run-cmd.bat" call "%root%\.easel\versions\%version%\tools\run-cmd.bat" %* & exit /b
set "stale=%EASEL_BACKEND%"
if not exist "%root%\.venv\easel-ready" set "stale=1"
rem xcopy /d /l lists the project file when it is newer than the stamp, and copies nothing.
for /f "delims=" %%f in ('xcopy /d /l /y "%root%\pyproject.toml" "%root%\.venv\easel-ready*" 2^>nul ^| find "pyproject.toml"') do set "stale=1"
if defined stale call "%~dp0install.bat" || exit /b
set "PYTHONPATH=%root%"
"%root%\.venv\Scripts\python.exe" -P -m app %*
