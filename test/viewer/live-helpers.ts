/** Helpers for tests of the live page: its state, its pill, its rows. */
import type { Page } from 'playwright-core';
import { expect } from 'vitest';
import { idsOf } from './browser-page.ts';

export const stateOf = (page: Page) => page.locator('#live-state');
export const pillOf = (page: Page) => page.locator('#pill');
/** Waits until `n` events are queued. */
export const expectQueued = (page: Page, n: number) =>
  expect
    .poll(() => pillOf(page).evaluate((pill) => `${pill.getAttribute('value') ?? ''} ${pill.textContent}`.trim()))
    .toBe(`${n} new`);
export const liveButton = (page: Page) => page.getByRole('button', { name: /live/i });

export const expectState = (page: Page, words: string | RegExp) =>
  expect.poll(() => stateOf(page).textContent()).toMatch(words);

/** Waits until these events are the first rows. */
export const expectFirst = (page: Page, ids: number[]) =>
  expect.poll(async () => (await idsOf(page)).slice(0, ids.length)).toEqual(ids);

/** Expects unique rows, newest first. */
export async function expectInOrder(page: Page): Promise<void> {
  const ids = await idsOf(page);
  expect(ids).toEqual([...new Set(ids)].toSorted((a, b) => b - a));
}

/** Simulates that the tab is hidden or shown. */
export const setHidden = (page: Page, isHidden: boolean) =>
  page.evaluate((hidden) => {
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden });
    Object.defineProperty(document, 'visibilityState', {
      configurable: true,
      get: () => (hidden ? 'hidden' : 'visible'),
    });
    document.dispatchEvent(new Event('visibilitychange'));
  }, isHidden);
