/** Instances of the service on one database, as processes of their own that are killed, paused and started again. */
import { type ServiceProcess, spawnService } from '../process.ts';

export type FleetOptions = {
  DATABASE_URL: string;
  n_instances?: number;
  /** More settings, and the variables that references of sinks name. */
  env?: Record<string, string>;
  /** After this long everything that waits rejects. */
  ms_max: number;
};

export type SinkState = {
  status: string;
  cursor: number;
  lag_events: number;
  refused_events: number;
  last_error: string | null;
};

export type Disturbance = {
  n_kills: number;
  n_pauses?: number;
  pause_ms?: number;
  random(): number;
  /** What to wait for before each act. */
  until?(): Promise<void>;
};

export type Fleet = Awaited<ReturnType<typeof startFleet>>;

export const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

const headers = { authorization: `Basic ${btoa('admin:admin-password')}`, 'content-type': 'application/json' };

/** Starts the instances; resolves when they are ready. */
export async function startFleet({ DATABASE_URL, n_instances = 1, env = {}, ms_max }: FleetOptions) {
  const deadline = performance.now() + ms_max;
  const settings = {
    DATABASE_URL,
    USERS: 'admin:admin:admin-password',
    OUTBOUND_ALLOW: '127.0.0.0/8',
    POLL_MS_MAX: '200',
    ...env,
  };
  const instances: ServiceProcess[] = Array.from({ length: n_instances }, () => spawnService(settings));
  const urls = await Promise.all(instances.map(({ ready }) => ready));

  /** Asks whichever instance answers, again until one does. */
  async function ask(path: string, init: RequestInit = {}): Promise<Response> {
    let said = 'nothing';
    for (let i = 0; performance.now() < deadline; i += 1) {
      try {
        const answer = await fetch(`${urls[i % urls.length]}${path}`, {
          signal: AbortSignal.timeout(2_000),
          ...init,
          headers,
        });
        if (answer.ok) return answer;
        said = `${answer.status} ${await answer.text()}`;
      } catch {
        // It was killed or is paused.
      }
      await wait(20);
    }
    throw new Error(`${path} was not answered in time: ${said}`);
  }
  const get = async <T>(path: string) => (await (await ask(path)).json()) as T;
  const send = (method: string, path: string, body: unknown) => ask(path, { method, body: JSON.stringify(body) });

  /** Waits until something is so. */
  async function until(what: string, isSo: () => boolean | Promise<boolean>, every_ms = 20): Promise<void> {
    while (!(await isSo())) {
      if (performance.now() > deadline) throw new Error(`not in time: ${what}`);
      await wait(every_ms);
    }
  }

  const sink = (name: string) => get<SinkState>(`/api/sinks/${name}`);

  /** Waits until sinks and rules, by their paths, have read everything; rejects when one is held. */
  const allRead = async (paths: string[]) => {
    for (const path of paths)
      await until(`${path} is up to date`, async () => {
        const state = await get<SinkState>(path);
        if (state.status === 'held') throw new Error(`${path} is ${JSON.stringify(state)}`);
        return state.status === 'up to date';
      });
  };
  const upToDate = (...sinks: string[]) => allRead(sinks.map((name) => `/api/sinks/${name}`));

  /** Kills an instance with SIGKILL and starts it again; resolves when it is killed, with what resolves when it is ready. */
  async function kill(i = 0): Promise<{ ready: Promise<void> }> {
    const instance = instances[i] as ServiceProcess;
    instance.child.kill('SIGKILL');
    await instance.ended;
    const next = spawnService(settings);
    instances[i] = next;
    const ready = next.ready.then((url) => {
      urls[i] = url;
    });
    return { ready };
  }

  /** Kills and pauses at random: what runs, while what was killed before starts. A pause is longer than the lease. */
  async function disturb({ n_kills, n_pauses = 0, pause_ms = 0, random, until }: Disturbance): Promise<void> {
    const acts = [...new Array(n_kills).fill('kill'), ...new Array(n_pauses).fill('pause')] as ('kill' | 'pause')[];
    for (let i = acts.length - 1; i > 0; i -= 1) {
      const j = Math.floor(random() * (i + 1));
      [acts[i], acts[j]] = [acts[j] as 'kill', acts[i] as 'kill'];
    }
    const running = new Set(instances.keys());
    const starting = new Map<number, Promise<void>>();
    for (const act of acts) {
      await until?.();
      await wait(random() * 500);
      if (running.size === 0) await Promise.race(starting.values());
      const i = [...running][Math.floor(random() * running.size)] ?? 0;
      if (act === 'pause') {
        const { child } = instances[i] as ServiceProcess;
        child.kill('SIGSTOP');
        await wait(pause_ms);
        child.kill('SIGCONT');
        continue;
      }
      running.delete(i);
      const { ready } = await kill(i);
      const started = ready.then(() => {
        running.add(i);
        starting.delete(i);
      });
      starting.set(i, started);
    }
    await Promise.all(starting.values());
  }

  return {
    pid: (i = 0) => instances[i]?.child.pid,
    /** The address of an instance as it runs now. */
    url: (i = 0) => urls[i] as string,
    ask,
    get,
    until,
    sink,
    allRead,
    upToDate,
    kill,
    disturb,
    put: (name: string, spec: object) => send('PUT', `/api/sinks/${name}`, spec),
    putRule: (name: string, rule: object) => send('PUT', `/api/rules/${name}`, rule),
    write: (events: object | object[]) => send('POST', '/api/logs', events),
    /** The newest id. */
    head: async () => (await get<{ logs: { id: number }[] }>('/api/logs?limit=1')).logs[0]?.id ?? 0,
    refused: async (name: string) =>
      (await get<{ refused: { id: number }[] }>(`/api/sinks/${name}/refused`)).refused.map(({ id }) => id),
    end: async () => {
      for (const { child } of instances) child.kill('SIGKILL');
      await Promise.all(instances.map(({ ended }) => ended));
    },
  };
}

/** Events of an entity type of their own, numbered from `first`. */
export const ordersFrom = (first: number, n: number, more: object = {}) =>
  Array.from({ length: n }, (_, i) => ({
    event_type: 'CREATE',
    entity_type: 'order',
    entity_id: String(first + i),
    description: 'x'.repeat(40),
    ...more,
  }));

export const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);
