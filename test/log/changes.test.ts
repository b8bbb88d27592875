/** Which metadata is shown as "What changed": the forms of audit libraries, and no similar metadata. */
import { describe, expect, it } from 'vitest';
import { readChanges } from '../../src/log/changes.ts';
import type { Metadata } from '../../src/log/entry.ts';

describe('metadata that is not a change is shown unchanged', () => {
  it.each<[string, Metadata]>([
    ['a transfer between accounts', { from: 'account-1', to: 'account-2', amount: 5 }],
    ['a mail', { from: 'a@example.com', to: 'b@example.com' }],
    ['a transfer between objects', { from: { account: 1 }, to: { account: 2 } }],
    ['counts of old and new', { old: 3, new: 5 }],
    ['paging cursors', { before: 'c-17', after: 'c-3' }],
    ['the previous and the current page', { previous: 3, current: 4 }],
    ['the validity of a certificate', { not_before: '2026-01-01', not_after: '2027-01-01' }],
    ['the bounds of a search', { created_before: '2026-02-01', created_after: '2026-01-01' }],
    ['the bounds of a search, descending dates', { due_before: '2026-02-01', due_after: '2026-01-01' }],
    ['two equal states', { before: { a: 1 }, after: { a: 1 } }],
    ['added and removed members', { changes: { added: ['a', 'b'], removed: ['c', 'd'] } }],
    ['a pair with more than two values', { changes: { route: { from: 'A', to: 'B', fare: 5 } } }],
    ['a count of changes', { changes: 3 }],
    ['a list of names', { changed: ['price', 'state'] }],
    ['a list of pairs without names', { diff: [[1, 2]] }],
    ['one side of a pair', { old_price: 3, price: 4 }],
  ])('%s', (_, metadata) => {
    expect(readChanges(metadata)).toEqual({ changes: [], rest: metadata });
  });
});

describe('the forms of audit libraries are read', () => {
  const price = [{ field: 'price', from: 1, to: 2 }];
  it.each<[string, Metadata]>([
    ['two states', { before: { price: 1, same: 0 }, after: { price: 2, same: 0 } }],
    ['old and new objects', { old: { price: 1 }, new: { price: 2 } }],
    ['old and attributes', { old: { price: 1 }, attributes: { price: 2 } }],
    ['old_values and new_values', { old_values: { price: 1 }, new_values: { price: 2 } }],
    ['a record and its predecessor', { old_record: { price: 1 }, record: { price: 2 } }],
    ['old_x and new_x', { old_price: 1, new_price: 2 }],
    ['x_before and x_after', { price_before: 1, price_after: 2 }],
    ['oldX and newX', { oldPrice: 1, newPrice: 2 }],
    ['pairs as arrays', { changes: { price: [1, 2] } }],
    ['pairs as arrays under another key', { audited_changes: { price: [1, 2] } }],
    ['pairs as objects', { changes: { price: { from: 1, to: 2 } } }],
    ['a list with field, old and new', { changes: [{ field: 'price', old: 1, new: 2 }] }],
    [
      'a list with left and right',
      { changes: [{ changeType: 'ValueChange', propertyName: 'price', left: 1, right: 2 }] },
    ],
    ['a list with displayName', { diff: [{ displayName: 'price', oldValue: 1, newValue: 2 }] }],
    ['one named field', { field: 'price', old: 1, new: 2 }],
  ])('%s', (_, metadata) => {
    expect(readChanges({ ...metadata, kept: true })).toEqual({ changes: price, rest: { kept: true } });
  });

  it('a pair may have only the old value', () => {
    const { changes } = readChanges({ changes: { title: { from: 'draft' } } });
    expect(changes).toEqual([{ field: 'title', from: 'draft', to: undefined }]);
  });
});
