/** A full disk under the embedded database: writes are refused, everything else works, and nothing is lost. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { diskLimits } from '../../src/runtime/disk-room.ts';
import { credentials, eventually, json } from '../support/harness.ts';
import { copyTemplate } from '../support/pglite-template.ts';
import { spawnService } from '../support/process.ts';
import { fillDisk, mountDisk, unmountDisks } from '../support/small-disk.ts';
import { notOn } from '../targets/not-on.ts';
import { reasons } from '../targets/reasons.ts';

const mib = 1024 * 1024;
const users = { USERS: 'admin:admin:admin-password' };
const { events_free_bytes_min, free_bytes_min } = diskLimits;
/** The empty database has about 60 MiB; after the outage twice the limit is free. */
const disk_mib = 2 * (events_free_bytes_min / mib) + 200;

const parent = mkdtempSync(join(tmpdir(), 'edgetrail-disk-'));
afterAll(() => {
  unmountDisks();
  rmSync(parent, { recursive: true });
});

const isMountable = mountDisk(join(parent, 'probe'), disk_mib);

for (const runtime of ['node', 'bun'] as const)
  notOn(reasons.noMount, !isMountable).describe(`on ${runtime}`, async () => {
    const disk = join(parent, runtime);
    mountDisk(disk, disk_mib);
    const DATA_DIR = join(disk, 'data');
    await copyTemplate(DATA_DIR);

    async function started() {
      const service = spawnService({ ...users, DATA_DIR }, runtime);
      const url = await service.ready;
      const request = (path: string, init: RequestInit = {}) =>
        fetch(url + path, { ...init, headers: { authorization: credentials.admin, ...init.headers } });
      const total = async () => ((await (await request('/api/logs?limit=1')).json()) as { total: number }).total;
      return { ...service, request, total };
    }
    // Random bytes, which the database cannot compress, in a field without an index of its words: few events fill the disk.
    const metadata = { bytes: randomBytes(9_000).toString('base64') };
    const event = { event_type: 'A', entity_type: 'o', metadata };

    it('writes are refused with the reason while there is no room, and everything else works', async () => {
      const { request, total, output, child, ended } = await started();
      const makeRoom = await fillDisk(disk, events_free_bytes_min + 16 * mib);
      let stored = 0;
      let refusal: Response | null = null;
      while (refusal === null) {
        const answer = await request('/api/logs', json(Array(20).fill(event)));
        if (answer.status === 201) stored += 20;
        else refusal = answer;
        expect(stored).toBeLessThan(20_000);
      }
      expect(refusal.status).toBe(503);
      expect(await refusal.json()).toMatchObject({
        detail: expect.stringMatching(/disk of the service is full: \d+ MiB are free and \d+ MiB are needed/),
        stored: 'nothing',
      });
      expect(await total()).toBe(stored);
      expect((await request('/livez')).status).toBe(200);
      const makeMoreRoom = await fillDisk(disk, events_free_bytes_min - 2 * mib);
      expect((await request('/api/logs', json(event))).status).toBe(503);
      const ready = await request('/readyz');
      expect([ready.status, await ready.text()]).toEqual([503, expect.stringContaining('disk of the service is full')]);
      await request('/readyz');
      const form = new URLSearchParams({ user: 'admin', password: 'admin-password' });
      const headers = { 'sec-fetch-site': 'same-origin' };
      const signedIn = await request('/sign-in', { method: 'POST', body: form, headers, redirect: 'manual' });
      expect(signedIn.status).toBe(303);
      expect(output().match(/the disk of DATA_DIR is full/g)).toHaveLength(1);
      expect(output().match(/"not ready"/g)).toHaveLength(1);

      await makeMoreRoom();
      await makeRoom();
      expect((await request('/api/logs', json(event))).status).toBe(201);
      expect((await request('/readyz')).status).toBe(200);
      expect(await total()).toBe(stored + 1);
      child.kill('SIGTERM');
      expect(await ended).toBe(0);
    }, 90_000);

    it('without one free byte it responds and ends at SIGTERM; a start is refused with one sentence', async () => {
      const { request, total, child, ended } = await started();
      const before = await total();
      const makeRoom = await fillDisk(disk, 0);
      expect((await request('/api/logs', json(event))).status).toBe(503);
      expect(await total()).toBe(before);
      expect((await request('/logs')).status).toBe(200);
      expect(((await (await request('/api/logs?limit=20')).json()) as { logs: unknown[] }).logs).toHaveLength(20);
      child.kill('SIGTERM');
      expect(await ended).toBe(0);

      const refused = spawnService({ ...users, DATA_DIR }, runtime);
      expect(await refused.ended).toBe(1);
      expect(refused.output()).toMatch(
        new RegExp(`the disk is full. 0 MiB are free, .* needs ${free_bytes_min / mib} MiB`),
      );
      expect(refused.output()).not.toMatch(/\n\s+at |"at":/);

      await makeRoom();
      const again = await started();
      expect(await again.total()).toBe(before);
      await eventually('it is ready', async () => (await again.request('/readyz')).status === 200);
    }, 90_000);
  });
