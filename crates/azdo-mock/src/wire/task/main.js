// Runs the step's text with the shell of the system. Plain Node, no library.
const fs = require('fs');
const path = require('path');
const { spawn } = require('child_process');

const windows = process.platform === 'win32';
const bash = !windows || (process.env.INPUT_SHELL || 'default') === 'bash';
const folder = process.env.AGENT_TEMPDIRECTORY || require('os').tmpdir();
const file = path.join(folder, `${process.pid}-${Date.now()}${bash ? '.sh' : '.cmd'}`);
const text = process.env.INPUT_SCRIPT || '';

fs.writeFileSync(file, bash ? text : `@echo off\r\n${text.replace(/\r?\n/g, '\r\n')}\r\n`);
const [command, args] = bash
  ? ['bash', ['--noprofile', '--norc', file]]
  : [process.env.ComSpec || 'cmd.exe', ['/d', '/c', file]];

console.log('========================== Starting Command Output ===========================');
const child = spawn(command, args, { stdio: 'inherit' });
child.on('error', (error) => {
  console.log(`##vso[task.complete result=Failed;]cannot start ${command}: ${error.message}`);
  process.exitCode = 1;
});
child.on('exit', (code, signal) => {
  fs.rmSync(file, { force: true });
  if (code !== 0) {
    const reason = signal ? `was ended by ${signal}` : `exited with code '${code}'`;
    console.log(`##vso[task.complete result=Failed;]${command} ${reason}.`);
  }
  process.exitCode = code === null ? 1 : code;
});
