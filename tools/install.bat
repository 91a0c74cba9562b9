@echo off
rem Makes the environment in .venv, or brings it up to date.
for %%v in (3.13 3.12 3.11) do (
    py -%%v -c "import venv" >nul 2>nul && (py -%%v "%~dp0environment.py" %* & exit /b)
)
python "%~dp0environment.py" %*
