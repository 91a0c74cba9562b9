@echo off
rem Brings Easel up to date when you call it: the new version comes beside this one; tools\run-cmd rollback goes back.
call "%~dp0install.bat" --update %*
