/** Far sides that keep whatever they are sent, in a process of their own: they cost the service what a network does, no more. */
import { fork } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';

/** Specs of five sinks, of five kinds, without their address. */
const specs = {
  elasticsearch: { kind: 'elasticsearch' },
  splunk: { kind: 'splunk', token: 'env:SINK_SECRET' },
  otlp: { kind: 'otlp' },
  webhook: { kind: 'webhook', secret: 'env:SINK_SECRET' },
  s3: {
    kind: 's3',
    bucket: 'audit',
    access_key_id: 'env:SINK_SECRET',
    secret_access_key: 'env:SINK_SECRET',
    linger_s: 1,
  },
};

/** What the references of these sinks name. */
export const fastEnv = { SINK_SECRET: `whsec_${Buffer.alloc(32, 7).toString('base64')}` };

/** Starts the far sides; the specs are those of five sinks to them. */
export async function fastSides(): Promise<{ specs: Record<string, object>; close(): void }> {
  const child = fork(fileURLToPath(import.meta.url), ['serve']);
  const port = await new Promise<number>((resolve, reject) => {
    child.once('message', (message) => resolve(message as number));
    child.once('exit', (code) => reject(new Error(`the far sides ended with ${code}`)));
  });
  const url = `http://127.0.0.1:${port}`;
  return {
    specs: Object.fromEntries(Object.entries(specs).map(([name, spec]) => [name, { ...spec, url }])),
    close: () => void child.kill(),
  };
}

/** The answer of each protocol to a request of so many lines. */
function answerTo(path: string, n_lines: number): string {
  if (path.endsWith('/_bulk'))
    return `{"errors":false,"items":[${new Array(n_lines / 2).fill('{"create":{"status":201}}').join()}]}`;
  return path.endsWith('/collector/event') ? '{"text":"Success","code":0}' : '{}';
}

if (process.argv[1] === fileURLToPath(import.meta.url) && process.argv[2] === 'serve') {
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    let n_lines = 0;
    request.on('data', (chunk: Buffer) => {
      if (path.endsWith('/_bulk')) n_lines += chunk.toString('latin1').split('\n').length - 1;
    });
    request.once('end', () => response.end(answerTo(path, n_lines)));
  });
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
  process.once('disconnect', () => process.exit());
}
