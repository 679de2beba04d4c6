@echo off
rem Runs the agent: run.cmd [--once]
setlocal
"%~dp0bin\Agent.Listener.exe" run %*
if ERRORLEVEL 4 (
    ping -n 6 127.0.0.1 >nul
    "%~dp0bin\Agent.Listener.exe" run %*
)
exit /b %ERRORLEVEL%
