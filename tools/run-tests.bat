@echo off
rem Runs the tests, with all that they need: tools\run-tests, or --all for the long sets too.
call "%~dp0install.bat" --test && "%~dp0..\.venv\Scripts\python.exe" "%~dp0run_tests.py" %*
