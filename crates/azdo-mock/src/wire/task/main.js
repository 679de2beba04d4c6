// Runs the step's text with the shell of its task. Plain Node, no library.
const fs = require('fs');
const os = require('os');
const path = require('path');
const { spawn } = require('child_process');

const windows = process.platform === 'win32';
const task = JSON.parse(fs.readFileSync(path.join(__dirname, 'task.json'), 'utf8')).name;
const core = (process.env.INPUT_PWSH || 'false').toLowerCase() === 'true';
const unix = (text) => text.replace(/\r\n/g, '\n');

const shells = {
  bash: { command: 'bash', args: ['--noprofile', '--norc'], extension: '.sh', text: unix },
  cmd: {
    command: process.env.ComSpec || 'cmd.exe',
    args: ['/d', '/c'],
    extension: '.cmd',
    text: (text) => `@echo off\r\n${unix(text).replace(/\n/g, '\r\n')}\r\n`,
  },
  powershell: {
    command: core || !windows ? 'pwsh' : 'powershell.exe',
    args: ['-NoLogo', '-NoProfile', '-NonInteractive', '-File'],
    extension: '.ps1',
    // The mark makes Windows PowerShell read UTF-8; the last line hands on the code of the last program.
    text: (text) => `\ufeff$ErrorActionPreference = 'stop'\n${text}\nif (Test-Path variable:LASTEXITCODE) { exit $LASTEXITCODE }\n`,
  },
};
const shell = task === 'PowerShell' ? shells.powershell : windows && task === 'CmdLine' ? shells.cmd : shells.bash;
const folder = process.env.AGENT_TEMPDIRECTORY || os.tmpdir();
const file = path.join(folder, `${process.pid}-${Date.now()}${shell.extension}`);
const cwd = path.resolve(process.env.INPUT_WORKINGDIRECTORY || '.');

function fail(reason) {
  console.log(`##vso[task.complete result=Failed;]${reason}`);
  process.exitCode = 1;
}

if (!fs.existsSync(cwd)) {
  fail(`The working directory ${cwd} does not exist.`);
} else {
  fs.writeFileSync(file, shell.text(process.env.INPUT_SCRIPT || ''));
  console.log('========================== Starting Command Output ===========================');
  const child = spawn(shell.command, [...shell.args, file], { stdio: 'inherit', cwd });
  child.on('error', (error) => {
    fs.rmSync(file, { force: true });
    fail(`cannot start ${shell.command}: ${error.message}`);
  });
  child.on('exit', (code, signal) => {
    fs.rmSync(file, { force: true });
    if (code !== 0) {
      fail(`${shell.command} ${signal ? `was ended by ${signal}` : `exited with code '${code}'`}.`);
      process.exitCode = code === null ? 1 : code;
    }
  });
}
