@echo off
rem Opens Easel.
call "%~dp0run-cmd.bat" ui %*
