/** Syslog over TLS: what rsyslog and syslog-ng understand of hostile events, and how a message is made. */
import { describe, expect, it } from 'vitest';
import { type MessageOptions, messageOf } from '../../src/features/shipping/syslog-message.ts';
import { dialToOf } from '../../src/http/dial.ts';
import type { Entry } from '../../src/log/schema.ts';
import { eventually, json, startService } from '../support/harness.ts';
import { hostileEvents } from '../support/sinks/hostile-events.ts';
import { compare, hasSyslog, startSyslog, syslogServers } from '../support/sinks/syslog-servers.ts';
import { notOn } from '../targets/not-on.ts';
import { reasons } from '../targets/reasons.ts';

const n_events = 1_000;

for (const name of syslogServers)
  notOn(reasons.noSyslog, !hasSyslog(name)).describe(name, async () => {
    const service = await startService('postgres', { env: { OUTBOUND_ALLOW: '127.0.0.0/8' } });
    const far = await startSyslog(name);

    it(`understands ${n_events} hostile events as they are, or marked as truncated`, async () => {
      const events = hostileEvents(n_events, 5, 'hostile');
      for (let at = 0; at < n_events; at += 100) await service.write(events.slice(at, at + 100));
      const spec = { kind: 'syslog', url: far.url, ca: far.ca, filter: 'service=hostile' };
      expect((await service.request('/api/sinks/far', { ...json(spec), method: 'PUT' })).status).toBe(201);
      await eventually('everything is kept', async () => {
        const { cursor } = (await (await service.request('/api/sinks/far')).json()) as { cursor: number };
        return cursor >= n_events;
      });
      await eventually('it has written everything', async () => (await far.received()).length >= n_events);
      const exported = await (await service.request('/api/logs/export?format=ndjson&service=hostile')).text();
      const stored = exported.trim().split('\n');
      // None is lost; some may be doubled: a request whose end a busy receiver does not confirm in time is sent again.
      const { truncated, lost, changed } = compare(
        stored.map((line) => JSON.parse(line)),
        await far.received(),
      );
      expect({ stored: stored.length, lost, changed }).toEqual({ stored: n_events, lost: [], changed: [] });
      const bytes = stored.map((line) => Buffer.byteLength(line));
      const tooLong = bytes.filter((n) => n > 16_384).length;
      expect(tooLong).toBeGreaterThan(10);
      expect(truncated.length).toBeGreaterThanOrEqual(tooLong);
      expect(truncated.length).toBeLessThan(bytes.filter((n) => n > 4_096).length);
    });
  });

describe('a message', () => {
  const options: MessageOptions = {
    format: 'rfc5424',
    facility: 13,
    host: 'log.example.com',
    sd_id: 'event@32473',
    message_bytes_max: 2_048,
  };
  const entry: Entry = {
    id: 55,
    timestamp: '2026-01-02T03:04:05.006Z',
    event_type: 'ORDER DELETED',
    entity_type: 'order',
    entity_id: 'a]"\\',
    user_id: 'ana',
    description: 'gone = 1|2\r\nü',
    metadata: { reason: 'fraud' },
    ip_address: '2001:db8::1',
    user_agent: null,
    service: 'shop',
    trace_id: null,
    session_id: null,
    span_id: null,
    parent_span_id: null,
    caused_by: null,
    event_uid: null,
    created_at: '2026-01-02T03:04:06.007Z',
  };
  const bytesOf = (text: string) => Buffer.byteLength(text);

  it('has its fields as structured data, as RFC 5424 says', () => {
    expect(messageOf(entry, options)).toBe(
      '<110>1 2026-01-02T03:04:06.007Z log.example.com shop - ORDER_DELETED [event@32473 id="55"' +
        ' event_type="ORDER DELETED" timestamp="2026-01-02T03:04:05.006Z" entity_type="order" entity_id="a\\]\\"\\\\"' +
        ' user_id="ana" service="shop" ip_address="2001:db8::1" metadata="{\\"reason\\":\\"fraud\\"}"]' +
        ' \ufeffgone = 1|2\r\nü',
    );
    expect(messageOf({ ...entry, service: null, description: null }, { ...options, host: '' })).toMatch(
      /^<110>1 2026-01-02T03:04:06\.007Z - edgetrail - ORDER_DELETED \[.*\]$/,
    );
  });

  it('has them as CEF, with what CEF escapes', () => {
    const message = messageOf({ ...entry, event_type: 'A|B=\\' }, { ...options, format: 'cef' });
    expect(message).toMatch(
      / A\|B=\\ - CEF:0\|Edgetrail\|Edgetrail\|[^|]+\|A\\\|B=\\\\\|A\\\|B=\\\\ order\|3\|externalId=55 /,
    );
    expect(message).toContain(' act=A|B\\=\\\\ rt=1767323045006 cs1Label=entity_type cs1=order ');
    expect(message).toContain(' c6a2Label=Source IPv6 Address c6a2=2001:db8::1 ');
    expect(message.endsWith(' cs5Label=metadata cs5={"reason":"fraud"} msg=gone \\= 1|2\\r\\nü')).toBe(true);
    expect(message).not.toMatch(/[\r\n\ufeff]/);
  });

  it('has its place in a trace', () => {
    const placed = { ...entry, trace_id: 't', span_id: 'a"', parent_span_id: 'b', caused_by: '54' };
    expect(messageOf(placed, options)).toContain(
      ' trace_id="t" span_id="a\\"" parent_span_id="b" caused_by="54" metadata=',
    );
    expect(messageOf(placed, { ...options, format: 'cef' })).toContain(
      ' cs3Label=trace_id cs3=t spanId=a" parentSpanId=b causedBy=54 cs5Label=metadata ',
    );
  });

  it.each(['rfc5424', 'cef'] as const)(
    'that is too long loses metadata, then the end of the description: %s',
    (format) => {
      const written = (more: Partial<Entry>) => messageOf({ ...entry, ...more }, { ...options, format });
      const withoutMetadata = written({ metadata: { long: 'x'.repeat(2_000) } });
      expect(withoutMetadata).toContain(format === 'cef' ? 'flexString1=true' : 'truncated="true"');
      expect(withoutMetadata).not.toContain('xxx');
      expect(withoutMetadata).toContain('gone');
      for (const unit of ['=', '😀', 'ü"'])
        for (const n of [2_000, 2_001, 5_000]) {
          const message = written({ description: `${unit.repeat(n)}end` });
          expect(bytesOf(message)).toBeLessThanOrEqual(2_048);
          expect(bytesOf(message)).toBeGreaterThan(2_040);
          expect(message.isWellFormed()).toBe(true);
          expect(message).toContain('55');
        }
      // 255 characters of four bytes in each field: what fits is there, and always the id.
      const wide = '😀'.repeat(255);
      const message = written({ entity_type: wide, entity_id: wide, user_id: wide, session_id: wide, event_uid: wide });
      expect(bytesOf(message)).toBeLessThanOrEqual(2_048);
      expect(message).toContain('55');
    },
  );

  it('goes to an address of TLS', () => {
    expect(dialToOf('tls://log.example.com')).toEqual({ hostname: 'log.example.com', port: 6514 });
    expect(dialToOf('tls://LOG.example.com:443/')).toEqual({ hostname: 'log.example.com', port: 443 });
    expect(dialToOf('tls://[::1]:6514')).toEqual({ hostname: '[::1]', port: 6514 });
    // Forms that a resolver reads as 127.0.0.1 are that address here, too.
    for (const host of ['127.1', '0x7f.1', '2130706433'])
      expect(dialToOf(`tls://${host}:1`)).toEqual({ hostname: '127.0.0.1', port: 1 });
    for (const text of [
      'tls://',
      'tcp://a',
      'tls://a:0',
      'tls://a:65536',
      'tls://a/b',
      'tls://u:p@a',
      'tls://a b',
      'a:1',
    ])
      expect(dialToOf(text), text).toBeNull();
  });
});
