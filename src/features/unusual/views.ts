/** The page of the stories. Data in, markup out. */
import { html } from 'hono/html';
import { type DisplayOptions, formatCount, visible } from '../../page/format.ts';
import { framedPage } from '../../page/framed-page.ts';
import type { Markup } from '../../page/layout.ts';
import type { Reader } from '../../page/menu-and-help.ts';
import { actionForm } from '../../page/spec-form.ts';
import { exactTime } from '../../page/table.ts';
import { factKinds } from './actor.ts';
import type { Listed } from './verbs.ts';
import type { FactView, StoryView } from './view.ts';

const fact = ({ link, words, kind, score, fires }: FactView): Markup =>
  html`<li><a href="${link}"><bdi>${visible(words)}</bdi></a> (${kind.replace('_', ' ')}, ${score.toFixed(1)}${fires ? ', fired' : ''})</li>`;

const verdictForm = (id: string, verdict: string, label: string): Markup =>
  actionForm(`/unusual/${id}/verdict`, label, html`<input type="hidden" name="verdict" value="${verdict}">`);

function storySection(story: StoryView, mayJudge: boolean, display: DisplayOptions): Markup {
  const { id, subject, to, fired, facts, verdict } = story;
  const others = [
    ['expected', 'Expected'],
    ['confirmed', 'Confirm'],
    ['muted', 'Mute'],
    ...(verdict ? [['none', 'Undo']] : []),
  ].filter(([name]) => name !== verdict?.verdict);
  return html`<section><h2><a href="/unusual/${id}"><bdi>${visible(subject.name ?? 'Anybody')}</bdi>, ${exactTime(to, display)}</a></h2><dl>
<dt>What</dt><dd><ul>${facts.map(fact)}</ul></dd>
<dt>Fired</dt><dd>${fired ? html`<b>yes</b>, <a href="${story.fired_at ?? ''}">with this event</a>` : 'no'}</dd>
${verdict ? html`<dt>Verdict</dt><dd><b>${verdict.verdict}</b> by <bdi>${visible(verdict.by ?? '')}</bdi>, <a href="/logs/${verdict.event_id}">${exactTime(verdict.at, display)}</a></dd>` : ''}
</dl>${mayJudge ? others.map(([name = '', label = '']) => verdictForm(id, name, `${label} ${id}`)) : ''}</section>`;
}

const filterForm = (query: URLSearchParams): Markup => {
  const option = (name: string, value: string, label: string) =>
    html`<option value="${value}"${(query.get(name) ?? '') === value ? html` selected` : ''}>${label}</option>`;
  return html`<form method="get" action="/unusual"><fieldset><legend>Filter</legend>
<label>User <input name="user_id" type="text" value="${query.get('user_id') ?? ''}" autocapitalize="none" spellcheck="false"></label>
<label>Kind <select name="kind">${option('kind', '', 'all')}${factKinds.map((kind) => option('kind', kind, kind.replace('_', ' ')))}</select></label>
<label>Fired <select name="fired">${option('fired', '', 'all')}${option('fired', 'true', 'yes')}${option('fired', 'false', 'no')}</select></label>
<button type="submit">Show</button></fieldset></form>`;
};

/** `query` is null on the page of one story. */
export function storiesPage(
  { stories, next, learning_until, budget, status, lag_events }: Listed,
  query: URLSearchParams | null,
  mayJudge: boolean,
  reader: Reader,
  display: DisplayOptions,
): Markup {
  const share = `At most ${budget.per_day_max} a day fire, as a mean over 90 days. `;
  return framedPage(
    'Unusual',
    html`<main class="event"><h1>Unusual</h1>
<p>${share}${status === 'up to date' ? 'All events are read.' : `${formatCount(lag_events)} events are not read yet.`}</p>
${learning_until === null ? '' : html`<p>Still learning: nothing fires before ${exactTime(learning_until, display)} in the log.</p>`}
${query ? filterForm(query) : html`<p><a href="/unusual">All</a></p>`}
<section class="details" aria-label="Stories">${
      stories.length === 0
        ? html`<p>Nothing unusual${status === 'up to date' ? '' : ' so far'}.</p>`
        : stories.map((story) => storySection(story, mayJudge, display))
    }</section>
${next === null ? '' : html`<p><a href="/unusual?${next}">Older</a></p>`}</main>`,
    reader,
    display,
  );
}
