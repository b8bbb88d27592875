/** The far sides of all deliveries: each feature opens those of its kind. */
import { type OpenReader, SinkFault } from '../log/delivery-sink.ts';
import type { Feature, Outbound } from '../parts.ts';
import type { Settings } from '../settings.ts';

/** Opens a delivery's far side by the feature that has its kind. */
export function openSinkOf(features: readonly Feature[], outbound: Outbound, settings: Settings): OpenReader {
  const openers = new Map(
    features.flatMap(({ deliveries }) => (deliveries ? [[deliveries.kind, deliveries.open(outbound, settings)]] : [])),
  );
  return (delivery) => {
    const open = openers.get(delivery.kind);
    if (!open) throw new SinkFault(`This version has no readers of the kind ${delivery.kind}.`);
    return open(delivery);
  };
}
