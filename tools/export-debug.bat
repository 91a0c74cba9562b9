@echo off
rem Writes a debug report to look at and to send; it is never sent by Easel.
call "%~dp0run-cmd.bat" export-debug %*
