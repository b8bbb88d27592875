/** Events as alerts of a real Alertmanager: open, the same again, resolved, and those that are long over. */
import { expect, it } from 'vitest';
import { hasAlertmanager, startAlertmanager } from '../support/alertmanager.ts';
import { eventually, json, startService } from '../support/harness.ts';
import { farSide } from '../support/sinks/far-side.ts';
import { notOn } from '../targets/not-on.ts';
import { reasons } from '../targets/reasons.ts';

type Note = { alerts: { status: string; labels: Record<string, string> }[] };

notOn(reasons.noAlertmanager, !(await hasAlertmanager())).describe('Alertmanager', async () => {
  const notes: string[] = [];
  const hook = await farSide(({ body }) => {
    for (const { status, labels } of (JSON.parse(`${body}`) as Note).alerts)
      notes.push(`${labels.alertname} ${status}`);
    return {};
  });
  const far = await startAlertmanager(hook.url);
  const service = await startService('postgres', { env: { OUTBOUND_ALLOW: '127.0.0.0/8' } });
  const put = (name: string, more: object) =>
    service.request(`/api/sinks/${name}`, { ...json({ kind: 'alertmanager', url: far.url, ...more }), method: 'PUT' });
  const rule = (event_type: string, group: string, name = 'brute-force') => ({
    event_type,
    entity_type: 'rule',
    entity_id: name,
    description: 'five failed sign-ins of ana',
    metadata: { group, n: 5, link: '/logs?first_id=1' },
    service: 'alerts',
  });
  const names = async () => (await far.alerts()).map(({ labels }) => labels.alertname).toSorted();

  it('has an event as an alert, twice the same as one, and ends it when the rule says so', async () => {
    await service.write([rule('ALERT', 'ana'), rule('ALERT', 'ben')]);
    await service.write({ event_type: 'EXPORT', entity_type: 'log', user_id: 'ana', service: 'alerts' });
    expect((await put('am', { filter: 'service=alerts' })).status).toBe(201);
    await eventually('three alerts are open', async () => (await far.alerts()).length === 3);
    const alerts = await far.alerts();
    expect(alerts.find(({ labels }) => labels.group === 'ana')).toMatchObject({
      labels: { alertname: 'brute-force', group: 'ana', service: 'alerts' },
      annotations: { summary: 'five failed sign-ins of ana', event_id: '1', link: '/logs?first_id=1' },
    });
    expect(alerts.find(({ labels }) => labels.alertname === 'EXPORT')).toMatchObject({
      labels: { alertname: 'EXPORT', entity_type: 'log', service: 'alerts' },
      annotations: { summary: 'EXPORT log', user_id: 'ana' },
    });
    const replayed = await service.request('/api/sinks/am/replay', json({}));
    expect(replayed.status).toBe(200);
    await eventually('the replay is over', async () => {
      const { replays } = (await (await service.request('/api/sinks/am')).json()) as { replays: object[] };
      return replays.length === 0;
    });
    expect((await far.alerts()).length).toBe(3);
    await service.write(rule('ALERT_RESOLVED', 'ana'));
    await eventually('it is over', async () => (await names()).length === 2);
    await eventually('both were told', () => notes.includes('brute-force resolved'));
    expect(notes.toSorted()).toEqual([
      'EXPORT firing',
      'brute-force firing',
      'brute-force firing',
      'brute-force resolved',
    ]);
    expect(hook.faults).toEqual([]);
    await hook.close();
  });
});
