import { describe, expect, it } from 'vitest';
import { databases, json, startService } from './harness.ts';

describe.each(databases)('writing on %s', async (database) => {
  const service = await startService(database);

  it('answers one event with that stored event', async () => {
    const answer = await service.request(
      '/api/logs',
      json({ event_type: 'CREATE', entity_type: 'order', entity_id: 55 }),
    );
    expect(answer.status).toBe(201);
    expect(await answer.json()).toMatchObject({ id: 1, event_type: 'CREATE', entity_id: '55', ip_address: null });
  });
});
