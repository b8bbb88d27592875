#!/usr/bin/env node
/**
 * Starts Debian's Firefox and relays its WebDriver BiDi connection to playwright-core. playwright-core 1.65 sets the
 * colour scheme of every context by a command that Firefox 153 does not support, and fails; the relay answers success.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { WebSocket, WebSocketServer } from 'ws';

const missing = new Set(['emulation.setMediaFeaturesOverride']);

const firefox = spawn(process.env.FIREFOX || '/usr/bin/firefox-esr', process.argv.slice(2), {
  stdio: ['inherit', 'inherit', 'pipe'],
});
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => firefox.kill(signal));
firefox.on('exit', (code) => process.exit(code ?? 1));

createInterface({ input: firefox.stderr }).on('line', (line) => {
  const real = /WebDriver BiDi listening on (ws:\S+)/.exec(line)?.[1];
  if (!real) return process.stderr.write(`${line}\n`);
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, maxPayload: 0 });
  server.on('connection', (near, { url }) => relay(near, new WebSocket(real + url, { maxPayload: 0 })));
  server.on('listening', () => {
    process.stderr.write(`WebDriver BiDi listening on ws://127.0.0.1:${server.address().port}\n`);
  });
});

function relay(near, far) {
  const early = [];
  far.on('open', () => {
    for (const text of early.splice(0)) far.send(text);
  });
  near.on('message', (data) => {
    const text = String(data);
    const { id, method } = JSON.parse(text);
    if (missing.has(method)) return near.send(JSON.stringify({ type: 'success', id, result: {} }));
    if (far.readyState === WebSocket.OPEN) far.send(text);
    else early.push(text);
  });
  far.on('message', (data) => near.send(String(data)));
  far.on('close', () => near.close());
  near.on('close', () => far.close());
  for (const socket of [near, far]) socket.on('error', () => {});
}
