/**
 * The tables of a shop as events, one CSV row at a time. The columns decide which table a row is of:
 * `npm run import -- --adapter test/adapters/shop.ts <file.csv> …`. The times in them carry no zone, which means UTC.
 */
import type { EntryInput } from '../../src/log/entry.ts';

export type Row = Record<string, string>;

/** The status of a new order. Any other status was set by an update whose time the table does not have. */
const initialStatus = 'PENDING';

/**
 * Creates the adapter. The rows of `items` become metadata of their order: they are its details, not events. Without
 * them (one file at a time on the command line) they are left out. The adapter throws for a row of an unknown table.
 */
export function shopAdapter(items: readonly Row[] = []): (record: unknown) => EntryInput[] | null {
  const itemsOf = new Map<string | undefined, Row[]>();
  for (const item of items) itemsOf.set(item.order_id, [...(itemsOf.get(item.order_id) ?? []), item]);
  return (record) => {
    const row = record as Row;
    if ('order_item_id' in row) return null;
    if ('payment_id' in row) return [payment(row)];
    if ('shipment_id' in row) return shipment(row);
    if ('order_number' in row) return order(row, itemsOf.get(row.order_id) ?? []);
    if ('sku' in row) return [product(row)];
    if ('customer_id' in row) return [customer(row)];
    throw new Error('this is not a row of customers, products, orders, order items, payments or shipments');
  };
}

export default shopAdapter();

/** The fields that all events of a row share. The event_uid makes a repeated import of the table store nothing. */
const event = (event_type: string, entity_type: string, id = '', timestamp?: string): EntryInput => ({
  ...{ event_type, entity_type, entity_id: id, event_uid: `eci-${entity_type}-${id}-${event_type.toLowerCase()}` },
  ...(timestamp ? { timestamp } : {}),
});

const customer = ({ customer_id, created_at, ...metadata }: Row): EntryInput => ({
  ...event('CREATE', 'customer', customer_id, created_at),
  user_id: customer_id,
  description: `Customer ${customer_id} signed up`,
  metadata,
});

/**
 * The table has no time for a product (seller_member_since is the seller's date). Without a timestamp the log uses the
 * time of the import.
 */
const product = ({ product_id, ...metadata }: Row): EntryInput => ({
  ...event('CREATE', 'product', product_id),
  description: `Product ${metadata.sku} ${metadata.name}`,
  metadata,
});

/** The update has the time of the order: the row has no other time, and the update was not earlier. */
function order({ order_id, customer_id, created_at, ...rest }: Row, items: readonly Row[]): EntryInput[] {
  const { order_status, ...metadata } = rest;
  const shared = { user_id: customer_id, trace_id: `order-${order_id}` };
  const created: EntryInput = {
    ...event('CREATE', 'order', order_id, created_at),
    ...shared,
    description: `Order ${rest.order_number} placed`,
    metadata: { ...metadata, ...(items.length > 0 && { items: items.map(({ order_id: _of, ...item }) => item) }) },
  };
  if (order_status === undefined || order_status === initialStatus) return [created];
  const updated: EntryInput = {
    ...event('UPDATE', 'order', order_id, created_at),
    ...shared,
    description: `Order ${rest.order_number} is ${order_status}`,
    metadata: { old_status: initialStatus, new_status: order_status },
  };
  return [created, updated];
}

const payment = ({ payment_id, created_at, ...metadata }: Row): EntryInput => ({
  ...event('PAYMENT', 'payment', payment_id, created_at),
  trace_id: `order-${metadata.order_id}`,
  description: `Payment ${metadata.reference} of ${metadata.amount}: ${metadata.status}`,
  metadata,
});

function shipment({ shipment_id, shipped_at, delivered_at, status, ...metadata }: Row): EntryInput[] {
  const trace_id = `order-${metadata.order_id}`;
  const created: EntryInput = {
    ...event('CREATE', 'shipment', shipment_id, shipped_at),
    trace_id,
    description: `Shipment ${metadata.tracking_no} with ${metadata.carrier}`,
    metadata: delivered_at || status === undefined ? metadata : { ...metadata, status },
  };
  if (!delivered_at) return [created];
  const delivered: EntryInput = {
    ...event('UPDATE', 'shipment', shipment_id, delivered_at),
    trace_id,
    description: `Shipment ${metadata.tracking_no} is ${status}`,
    metadata: { ...metadata, new_status: status ?? null },
  };
  return [created, delivered];
}
