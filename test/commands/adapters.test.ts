/** The adapters of test/adapters: the events that they make of sample records, without loss. */
import { describe, expect, it } from 'vitest';
import { entryLimits, readEntry } from '../../src/log/entry.ts';
import cloudtrail from '../adapters/cloudtrail.ts';
import { shopAdapter } from '../adapters/shop.ts';

const record = {
  eventVersion: '1.08',
  userIdentity: { type: 'IAMUser', userName: 'user-7', arn: 'arn:aws:iam::000000000000:user/user-7', accountId: '0' },
  eventTime: '2026-02-03T04:05:06Z',
  eventSource: 's3.amazonaws.com',
  eventName: 'PutBucketPolicy',
  awsRegion: 'eu-west-1',
  sourceIPAddress: '192.0.2.10',
  userAgent: '[aws-cli/2.0 "odd", <agent>]',
  requestParameters: { bucketName: 'bucket-1', policy: { Statement: [{ Effect: 'Allow', n: 1 }] } },
  responseElements: null,
  requestID: 'request-1',
  eventID: 'event-1',
  readOnly: false,
};

const checked = (event: unknown) => {
  const read = readEntry(event);
  if ('faults' in read) throw new Error(JSON.stringify(read.faults));
  return read.entry;
};
const adapted = (changes: object) => checked(cloudtrail({ ...record, ...changes }));

describe('a CloudTrail record', () => {
  it('becomes an event', () => {
    expect(adapted({})).toMatchObject({
      timestamp: '2026-02-03T04:05:06.000Z',
      event_type: 'CREATE',
      entity_type: 's3',
      service: 's3',
      entity_id: 'bucket-1',
      user_id: 'user-7',
      description: 'PutBucketPolicy',
      event_uid: 'event-1',
      ip_address: '192.0.2.10',
      user_agent: record.userAgent,
    });
  });

  const longName = `Describe${'VeryLongNames'.repeat(25)}`;
  it.each([
    ['RunInstances', 'CREATE'],
    ['CreateFunction20150331', 'CREATE'],
    ['TerminateInstances', 'DELETE'],
    ['DeleteBucket', 'DELETE'],
    ['ModifyImageAttribute', 'UPDATE'],
    ['AttachUserPolicy', 'UPDATE'],
    ['GetUser', 'GetUser'],
    ['Settle', 'Settle'],
    [longName, longName.slice(0, entryLimits.label_chars_max)],
  ])('named %s is a %s', (eventName, event_type) => {
    expect(adapted({ eventName })).toMatchObject({ event_type, description: eventName, metadata: { eventName } });
  });

  const role = 'arn:aws:sts::000000000000:assumed-role/role-1/session-1';
  it.each([
    [{ type: 'AssumedRole', arn: role, sessionContext: { sessionIssuer: { userName: 'role-1' } } }, role],
    [{ type: 'Root', arn: 'arn:aws:iam::000000000000:root', accountId: '0' }, 'arn:aws:iam::000000000000:root'],
    [{ type: 'AWSService', invokedBy: 'secretsmanager.amazonaws.com' }, 'secretsmanager.amazonaws.com'],
    [{ type: 'SAMLUser', arn: 'a'.repeat(300), principalId: 'principal-1' }, 'principal-1'],
    [{ accountId: '000000000000' }, '000000000000'],
    [undefined, null],
  ])('by %j has a user', (userIdentity, user_id) => {
    expect(adapted({ userIdentity }).user_id).toBe(user_id);
  });

  it.each([
    [{ resources: [{ accountId: '0' }, { ARN: 'arn:aws:kms:::key/1' }] }, 'arn:aws:kms:::key/1'],
    [{ requestParameters: { secretId: 's-1', name: 'n' } }, 's-1'],
    [{ requestParameters: null }, 'request-1'],
    [{ requestParameters: null, requestID: undefined }, null],
  ])('with %j is about something', (changes, entity_id) => {
    expect(adapted(changes).entity_id).toBe(entity_id);
  });

  it('says in words that a request failed', () => {
    expect(adapted({ errorCode: 'AccessDenied', errorMessage: 'no' }).description).toBe(
      'PutBucketPolicy failed: AccessDenied',
    );
  });

  it.each([
    {},
    { sourceIPAddress: 'secretsmanager.amazonaws.com' },
    { sourceIPAddress: 'AWS Internal' },
    { sourceIPAddress: 'fe80::1%eth0' },
    { sourceIPAddress: '2001:db8::7' },
    { userAgent: 'x'.repeat(2_001) },
    { userAgent: '' },
    { userAgent: null },
    { eventSource: `${'long'.repeat(70)}.amazonaws.com` },
    { eventSource: 'signin.example.com' },
    { errorCode: 'AccessDenied', errorMessage: 'no', additionalEventData: { deep: [[{ a: null }]] } },
    { requestParameters: null, resources: [] },
    { eventName: longName },
  ])('with %j loses nothing', (changes) => {
    const whole: Record<string, unknown> = { ...record, ...changes };
    const { timestamp, service, event_uid, ip_address, user_agent, metadata } = adapted(changes);
    const again = {
      eventTime: timestamp?.replace('.000Z', 'Z'),
      eventSource: `${service}.amazonaws.com`,
      eventID: event_uid,
      ...(ip_address && { sourceIPAddress: ip_address }),
      ...(user_agent && { userAgent: user_agent }),
      ...(typeof metadata === 'object' && metadata),
    };
    expect(again).toEqual(whole);
  });

  it('of another kind is refused', () => {
    expect(() => cloudtrail({ eventTime: record.eventTime })).toThrow('are needed');
  });
});

describe('a row of the shop', () => {
  const adapt = shopAdapter([{ order_item_id: '1', order_id: '9', product_id: '5', quantity: '2' }]);
  const kinds = (row: object) =>
    (adapt(row) ?? [])
      .map(checked)
      .map(({ entity_type, event_type, timestamp }) => [entity_type, event_type, timestamp]);
  const order = { order_id: '9', order_number: 'O-9', customer_id: '3', created_at: '2026-01-02 03:04:05' };
  const at = '2026-01-02T03:04:05.000Z';
  const shipment = { shipment_id: '4', order_id: '9', carrier: 'C', status: 'X', shipped_at: '2026-01-02 03:04:05' };
  it.each([
    [{ customer_id: '3', address_city: 'A', created_at: '2026-01-02 03:04:05' }, [['customer', 'CREATE', at]]],
    [{ product_id: '5', sku: 'S5', name: 'Thing', seller_member_since: '2020-01-01' }, [['product', 'CREATE', null]]],
    [{ ...order, order_status: 'PENDING' }, [['order', 'CREATE', at]]],
    [
      { ...order, order_status: 'SHIPPED' },
      [
        ['order', 'CREATE', at],
        ['order', 'UPDATE', at],
      ],
    ],
    [
      { payment_id: '7', order_id: '9', amount: '1.50', status: 'FAILED', created_at: order.created_at },
      [['payment', 'PAYMENT', at]],
    ],
    [shipment, [['shipment', 'CREATE', at]]],
    [
      { ...shipment, delivered_at: '2026-01-05 00:00:00' },
      [
        ['shipment', 'CREATE', at],
        ['shipment', 'UPDATE', '2026-01-05T00:00:00.000Z'],
      ],
    ],
    [{ order_item_id: '1', order_id: '9' }, []],
  ])('%j becomes its events', (row, expected) => {
    expect(kinds(row)).toEqual(expected);
  });

  it('has the items of an order, and a uid of its own', () => {
    const events = adapt({ ...order, order_status: 'SHIPPED' }) ?? [];
    expect(events[0]?.metadata).toMatchObject({ items: [{ product_id: '5', quantity: '2' }] });
    expect(events.map(({ event_uid }) => event_uid)).toEqual(['eci-order-9-create', 'eci-order-9-update']);
  });

  it('of no table is refused', () => {
    expect(() => adapt({ colour: 'red' })).toThrow('not a row');
  });
});
