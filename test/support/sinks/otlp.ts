/** A strict OTLP/HTTP collector for logs: the JSON form of the protocol, to the letter. */
import { type FarSide, farSide, type Reply } from './far-side.ts';

export type Otlp = FarSide & {
  ids: number[];
  services: Set<string>;
  /** Records of the next request that are rejected, without a name. */
  rejects: number;
};

type Attribute = { key: string; value: { stringValue?: string; intValue?: string } };
type Log = {
  timeUnixNano: string;
  observedTimeUnixNano: string;
  severityNumber: number;
  traceId?: string;
  attributes: Attribute[];
} & Record<string, unknown>;
type Body = {
  resourceLogs: {
    resource: { attributes: Attribute[] };
    scopeLogs: { scope: { name: string }; logRecords: Log[] }[];
  }[];
};

const known = ['timeUnixNano', 'observedTimeUnixNano', 'severityNumber', 'eventName', 'body', 'attributes', 'traceId'];

function check(log: Log): number {
  const unknown = Object.keys(log).filter((key) => !known.includes(key));
  if (unknown.length > 0) throw new Error(`unknown fields ${unknown}`);
  for (const nanos of [log.timeUnixNano, log.observedTimeUnixNano])
    if (!/^\d{19}$/.test(nanos)) throw new Error(`time ${nanos}`);
  if (log.severityNumber !== 9) throw new Error('severityNumber');
  if (log.traceId !== undefined && !/^[\da-f]{32}$/.test(log.traceId)) throw new Error('traceId');
  for (const { value } of log.attributes) {
    const [[kind, text] = []] = Object.entries(value);
    if ((kind !== 'stringValue' && kind !== 'intValue') || typeof text !== 'string')
      throw new Error(JSON.stringify(value));
  }
  return Number(log.attributes.find(({ key }) => key === 'edgetrail.id')?.value.intValue);
}

export async function otlp(): Promise<Otlp> {
  const side: Otlp = Object.assign(await farSide(reply), { ids: [], services: new Set<string>(), rejects: 0 });
  function reply({ method, path, headers, body }: Parameters<Parameters<typeof farSide>[0]>[0]): Reply {
    if (method !== 'POST' || path !== '/v1/logs' || headers['content-type'] !== 'application/json')
      throw new Error(`${method} ${path}`);
    const { resourceLogs } = JSON.parse(`${body}`) as Body;
    const ids: number[] = [];
    for (const { resource, scopeLogs } of resourceLogs) {
      side.services.add(resource.attributes.find(({ key }) => key === 'service.name')?.value.stringValue ?? '');
      for (const { scope, logRecords } of scopeLogs) {
        if (scope.name !== 'edgetrail') throw new Error(scope.name);
        ids.push(...logRecords.map(check));
      }
    }
    side.ids.push(...ids);
    const { rejects } = side;
    side.rejects = 0;
    return {
      body: rejects > 0 ? { partialSuccess: { rejectedLogRecords: String(rejects), errorMessage: 'too old' } } : {},
    };
  }
  return side;
}
