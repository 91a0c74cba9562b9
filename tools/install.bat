@echo off
rem Makes the environment in .venv, or brings it up to date.
setlocal
set "script=environment.py"
set "words=%*"
if "%~1"=="--bare-report" set "script=bare_report.py" & set "words="
if "%~1"=="--update" set "script=update.py" & set "words=%~2"
set "test=import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))"
if defined EASEL_PYTHON "%EASEL_PYTHON%" -c "%test%" >nul 2>nul && ("%EASEL_PYTHON%" "%~dp0%script%" %words% & exit /b)
for %%v in (3.13 3.12 3.11) do (
    py -%%v -c "%test%" >nul 2>nul && (py -%%v "%~dp0%script%" %words% & exit /b)
)
python -c "%test%" >nul 2>nul && (python "%~dp0%script%" %words% & exit /b)
echo easel set-up: no Python 3.11, 3.12 or 3.13 was found. Install one from python.org, or name one in EASEL_PYTHON. >&2
exit /b 2
