/** The features: each can be taken away, and its entry in the menu is for those who have the right. */
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { upgradeWebSocket } from '@hono/node-server';
import { afterAll, describe, expect, it } from 'vitest';
import { createApp } from '../../src/app.ts';
import { createAuth } from '../../src/auth/auth.ts';
import { createSessions } from '../../src/auth/session.ts';
import { features } from '../../src/features/index.ts';
import { createMeter } from '../../src/http/meter.ts';
import { version } from '../../src/http/version.ts';
import { unrecorded } from '../../src/log/own-events.ts';
import { createStore } from '../../src/log/store.ts';
import { createTail } from '../../src/log/tail.ts';
import { type Feature, requireRight } from '../../src/parts.ts';
import { gunzip } from '../../src/runtime/gunzip.ts';
import { openPglite } from '../../src/runtime/pglite.ts';
import { processUsage } from '../../src/runtime/process-usage.ts';
import { scrypt } from '../../src/runtime/scrypt.ts';
import { sha256 } from '../../src/runtime/sha256.ts';
import { readSettings, usersOf } from '../../src/settings.ts';
import { credentials, hashes, json, type Who } from '../support/harness.ts';
import { nowhere } from '../support/nowhere.ts';
import { copyTemplate } from '../support/pglite-template.ts';

const src = new URL('../../src/', import.meta.url);
const folders = readdirSync(new URL('features/', src), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);

describe('a feature', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'edgetrail-features-'));
  await copyTemplate(folder);
  const { db, room, reads, close } = await openPglite(folder);
  afterAll(async () => {
    await close();
    await rm(folder, { recursive: true });
  });
  const store = createStore(db, reads, room);
  const tail = createTail(store, { poll_ms_min: 50, poll_ms_max: 50, poll_unfollowed: false, report: () => {} });
  const settings = readSettings({ USERS: `admin:admin:${hashes.admin} guest:guest:${hashes.guest}` });
  const auth = createAuth({ users: usersOf(settings).users, tokens: [], scrypt });
  const sessions = createSessions(db, 3_600, new Map(), room);

  /** The service with these features alone, as a function from a request to its response. */
  function serviceOf(mounted: readonly Feature[]) {
    const app = createApp({
      store,
      tail,
      auth,
      sessions,
      sockets: { upgrade: upgradeWebSocket, unsent: () => 0, cut: () => {} },
      outbound: nowhere,
      features: mounted,
      build: { version, runtime: 'node', database: 'pglite', usage: processUsage },
      meter: createMeter(),
      assets: (_c, next) => next(),
      sha256,
      anchors: [],
      limits: settings,
      body_errors_visible: true,
      clientAddress: () => undefined,
      gunzip,
      own: unrecorded,
      isReady: () => true,
      report: (_what, error) => {
        throw error;
      },
    });
    return (path: string, as: Exclude<Who, null>, init: RequestInit = {}) => {
      const headers = new Headers(init.headers);
      headers.set('authorization', credentials[as]);
      return app.request(path, { ...init, headers });
    };
  }

  const reports: Feature = {
    name: 'reports',
    routes: (app, parts) => app.get('/reports', requireRight(parts, 'export'), (c) => c.text('a report')),
    navigation: { path: '/reports', label: 'Reports', right: 'export' },
    ofEvent: ({ id }) => [{ path: `/reports/${id}`, label: 'Report of this', right: 'export' }],
  };

  it('adds its routes and its entry in the menu, for those who have the right', async () => {
    const get = serviceOf([reports]);
    const link = '<a class="button" href="/reports">Reports</a>';
    await get('/api/logs', 'admin', json({ event_type: 'CREATE', entity_type: 'order' }));
    for (const path of ['/logs', '/logs/1']) {
      expect(await (await get(path, 'admin')).text()).toContain(link);
      expect(await (await get(path, 'guest')).text()).not.toContain(link);
    }
    // Of an event: on its page, and in its row.
    for (const headers of [{}, { 'hx-request-type': 'partial' }]) {
      const ofEvent = '<a href="/reports/1" hx-boost="false">Report of this</a>';
      expect(await (await get('/logs/1', 'admin', { headers })).text()).toContain(ofEvent);
      expect(await (await get('/logs/1', 'guest', { headers })).text()).not.toContain('/reports/1');
    }
    expect((await get('/reports', 'admin')).status).toBe(200);
    expect((await get('/reports', 'guest')).status).toBe(403);
  });

  it('is not missed by a board with panels of its own: they say so', async () => {
    const get = serviceOf(features.filter(({ name }) => name === 'boards'));
    const page = await (await get('/boards/user?user_id=ana', 'admin')).text();
    expect(page.match(/This service has no panels of this kind\./g)).toHaveLength(2);
  });

  const without = [...features.map(({ name }) => [name, features.filter((other) => other.name !== name)] as const)];
  it.each([...without, ['every feature', []] as const])('%s can be taken away', async (name, others) => {
    const ask = serviceOf(others);
    expect((await ask('/api/logs', 'admin', json({ event_type: name, entity_type: 'feature' }))).status).toBe(201);
    const listed = await ask(`/api/logs?event_type=${encodeURIComponent(name)}`, 'guest');
    expect(await listed.json()).toMatchObject({ total: 1 });
    const page = await (await ask('/logs', 'admin')).text();
    expect(page).toContain(name);
    for (const { navigation } of features) {
      const stays = others.some((other) => other.navigation === navigation);
      if (navigation) expect(page.includes(`href="${navigation.path}"`)).toBe(stays);
    }
  });
});

describe('the folder of a feature', () => {
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
  const namesFeature = /from '[^']*features\/(?!index\.ts)|import\('[^']*features\/(?!index\.ts)/;

  it('is in the list under its own name', () => {
    expect(features.map(({ name }) => name).toSorted()).toEqual(folders.toSorted());
  });

  it('is named by the list alone', () => {
    const naming = files
      .filter((file) => !file.startsWith('features/'))
      .filter((file) => namesFeature.test(readFileSync(new URL(file, src), 'utf8')));
    expect(naming).toEqual([]);
  });

  it.each(folders)('%s has one import and one place in the list', (name) => {
    const list = readFileSync(new URL('features/index.ts', src), 'utf8');
    const [, imported = ''] =
      new RegExp(`^import \\{ (\\w+) \\} from './${name}/feature\\.ts';$`, 'm').exec(list) ?? [];
    const words = list.replace(/'[^'\n]*'|\/\*[\s\S]*?\*\//g, '').match(/\w+/g) ?? [];
    expect(words.filter((word) => word === imported)).toHaveLength(2);
  });
});
