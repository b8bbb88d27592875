/** The page of the rules. Data in, markup out. */
import { html } from 'hono/html';
import { type DisplayOptions, formatCount, visible } from '../../page/format.ts';
import { framedPage } from '../../page/framed-page.ts';
import type { Markup } from '../../page/layout.ts';
import type { Reader } from '../../page/menu-and-help.ts';
import { actionForm, type SpecForm, specForm, specText } from '../../page/spec-form.ts';
import { exactTime } from '../../page/table.ts';
import { ready } from './ready.ts';
import type { OpenGroup, RuleView } from './view.ts';

const nameOf = (group: string | null) => (group === null ? 'all' : visible(group));

const mute = (name: string, group: string | null, seconds: number): Markup =>
  actionForm(
    `/rules/${name}/mute`,
    seconds > 0 ? 'Mute for an hour' : 'Unmute',
    html`${group === null ? '' : html`<input type="hidden" name="group" value="${group}">`}<input type="hidden" name="for_s" value="${seconds}">`,
  );

const openGroup = (name: string, { group, n, since, link }: OpenGroup, display: DisplayOptions): Markup =>
  html`<li><a href="${link}"><bdi>${nameOf(group)}</bdi>: ${formatCount(n)} events</a> since ${exactTime(since, display)} ${mute(name, group, 3_600)}</li>`;

const oneRule = (
  rule: RuleView,
  display: DisplayOptions,
): Markup => html`<section><h2>${rule.name}: ${rule.type}</h2><dl>
<dt>When</dt><dd>${visible(rule.condition)}</dd>
<dt>Status</dt><dd><b>${rule.status}</b></dd>
${rule.last_error === null ? '' : html`<dt>Last error</dt><dd>${visible(rule.last_error)}</dd>`}
<dt>Alerts</dt><dd><a href="/logs?entity_id=${rule.name}&amp;entity_type=rule&amp;event_type=ALERT">all in the log</a></dd>
<dt>Open</dt><dd>${
  rule.open_groups === 0
    ? 'nothing'
    : html`${formatCount(rule.open_groups)}<ul>${rule.open.map((group) => openGroup(rule.name, group, display))}</ul>`
}</dd>
${rule.muted.map(({ group, until }) => html`<dt>Muted</dt><dd><bdi>${nameOf(group)}</bdi> until ${exactTime(until, display)} ${mute(rule.name, group, 0)}</dd>`)}
</dl>
${mute(rule.name, null, 3_600)}<a class="button" href="/rules?rule=${rule.name}#spec">Change</a>${actionForm(`/rules/${rule.name}/delete`, `Delete ${rule.name}`)}</section>`;

export const rulesPage = (rules: RuleView[], form: SpecForm, reader: Reader, display: DisplayOptions): Markup => {
  const isOn = new Set(rules.map(({ name }) => name));
  return framedPage(
    'Rules',
    html`<main class="event"><h1>Rules</h1>
<section class="details" aria-label="Rules">${rules.length === 0 ? html`<p>There is no rule yet.</p>` : rules.map((rule) => oneRule(rule, display))}</section>
<h2 id="spec">${isOn.has(form.name) ? 'Change' : 'New rule'}</h2>
${specForm('/rules', 'What it watches, as JSON', form)}
<h2>Ready rules</h2>
<ul>${ready
      .filter(({ name }) => !isOn.has(name))
      .map(
        ({ name, about, rule }) =>
          html`<li>${about} ${actionForm(
            '/rules',
            `Switch on ${name}`,
            html`<input type="hidden" name="name" value="${name}"><input type="hidden" name="spec" value="${specText(rule)}">`,
          )}</li>`,
      )}</ul></main>`,
    reader,
    display,
  );
};
