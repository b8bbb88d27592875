/** What all figures are made of: their size, their marks, which are links, and the names that these have. */
import { html } from 'hono/html';
import { colourClass, visible } from '../../page/format.ts';
import type { Markup } from '../../page/layout.ts';
import type { Mark, PanelView } from './marks.ts';

/** Units of the view box, which is as wide as the panel. */
export const width = 360;
export const row = 20;

const tones = ['t2', 't1', 't6', 't4', 't5', 't8'];

/** The class that colours a series. Event types have the colours that they have in the list. */
export const toneOf = ({ panel, series }: PanelView, i: number): string =>
  panel.by[0] === 'event_type' ? colourClass(series[i] ?? '') : (tones[i % tones.length] ?? 't2');

export const nameOf = (name: string | null) => (name === null ? 'none' : visible(name));
export const namesOf = ({ names }: Mark) => names.map(nameOf).join(' ');

export const link = (view: PanelView, id: string, i: number, { href }: Mark, title: string, content: Markup): Markup =>
  href === null
    ? html`<g><title>${title}</title>${content}</g>`
    : html`<a id="${id}-${i}" href="${href}"><title>${view.is_exact ? title : `about ${title}`}</title>${content}</a>`;

export const svg = (h: number, summary: string, content: Markup | Markup[]): Markup =>
  html`<svg xmlns="http://www.w3.org/2000/svg" class="figure" viewBox="0 0 ${width} ${h}" role="group" aria-label="${summary}">${content}</svg>`;

export const round = (n: number) => Math.round(n * 10) / 10;
