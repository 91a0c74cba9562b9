@echo off
rem Writes a debug report to look at and to send; it is never sent by Easel. Where Easel does not start, a bare one.
call "%~dp0run-cmd.bat" --version >nul && (call "%~dp0run-cmd.bat" export-debug %* & exit /b)
call "%~dp0install.bat" --bare-report
