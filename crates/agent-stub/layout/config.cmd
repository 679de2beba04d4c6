@echo off
rem Registers this agent, or removes it: config.cmd [remove] ARGUMENTS
setlocal
pushd "%~dp0"
if /i "%1" == "remove" (
    "%~dp0bin\Agent.Listener.exe" %*
) else (
    "%~dp0bin\Agent.Listener.exe" configure %*
)
set CODE=%ERRORLEVEL%
popd
exit /b %CODE%
