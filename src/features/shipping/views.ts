/** The pages of the sinks. Data in, markup out. */
import { html } from 'hono/html';
import type { Refused } from '../../log/delivery-rows.ts';
import { type DisplayOptions, formatCount, visible } from '../../page/format.ts';
import { framedPage } from '../../page/framed-page.ts';
import { pollState } from '../../page/htmx-attributes.ts';
import type { Markup } from '../../page/layout.ts';
import { eventHref } from '../../page/links.ts';
import type { Reader } from '../../page/menu-and-help.ts';
import { actionForm, type SpecForm, specForm, specText } from '../../page/spec-form.ts';
import { exactTime } from '../../page/table.ts';
import type { SinkView } from './view.ts';

/** What a new sink of a kind begins with. */
export const templates: Record<string, string> = {
  elasticsearch: specText({ kind: 'elasticsearch', url: 'https://', api_key: 'env:ES_KEY', filter: '' }),
  splunk: specText({ kind: 'splunk', url: 'https://', token: 'env:SPLUNK_TOKEN', ack: true, filter: '' }),
  otlp: specText({ kind: 'otlp', url: 'https://', token: 'env:OTLP_AUTHORIZATION', filter: '' }),
  s3: specText({
    kind: 's3',
    url: 'https://',
    bucket: '',
    region: 'auto',
    access_key_id: 'env:S3_KEY_ID',
    secret_access_key: 'env:S3_SECRET',
    filter: '',
  }),
  loki: specText({ kind: 'loki', url: 'https://', token: 'env:LOKI_TOKEN', filter: '' }),
  slack: specText({ kind: 'slack', url: 'env:SLACK_URL', filter: 'event_type=DELETE' }),
  syslog: specText({ kind: 'syslog', url: 'tls://', filter: '' }),
  alertmanager: specText({
    kind: 'alertmanager',
    url: 'https://',
    filter: 'event_type=ALERT&event_type=ALERT_REMINDER&event_type=ALERT_RESOLVED',
  }),
  webhook: specText({ kind: 'webhook', url: 'https://', secret: 'env:WEBHOOK_SECRET', filter: '' }),
};

/** The members of a sink that say how it goes; the others are its spec. */
const stateKeys = [
  'name',
  'status',
  'needs',
  'cursor',
  'lag_events',
  'lag_seconds',
  'refused_events',
  'attempts',
  'last_error',
  'last_ok_at',
  'next_attempt_at',
  'replays',
];
const specOf = (sink: SinkView): string =>
  specText(Object.fromEntries(Object.entries(sink).filter(([key]) => !stateKeys.includes(key))));

const state = (sink: SinkView, display: DisplayOptions): Markup => html`<dl>
<dt>Status</dt><dd><b>${sink.status}</b></dd>
${sink.needs === null ? '' : html`<dt>You must</dt><dd>${sink.needs}</dd>`}
${sink.last_error === null ? '' : html`<dt>Last error</dt><dd>${visible(sink.last_error)}</dd>`}
<dt>Up to event</dt><dd>${formatCount(sink.cursor)}</dd>
<dt>Behind by</dt><dd>${formatCount(sink.lag_events)} events, ${formatCount(sink.lag_seconds)} s</dd>
<dt>Refused</dt><dd>${formatCount(sink.refused_events)} events</dd>
<dt>Last kept</dt><dd>${sink.last_ok_at === null ? 'never' : exactTime(sink.last_ok_at, display)}</dd>
${sink.next_attempt_at === null ? '' : html`<dt>Next attempt</dt><dd>${exactTime(sink.next_attempt_at, display)}</dd>`}
${sink.replays.map(({ cursor, until, status }) => html`<dt>Sends again</dt><dd>up to event ${formatCount(until)}, now at ${formatCount(cursor)}: ${status}</dd>`)}
</dl>`;

/** What changes by itself; a page with JavaScript asks for it again and again. */
export const sinkStates = (sinks: SinkView[], display: DisplayOptions): Markup =>
  html`<section id="sink-states" class="details" aria-label="Sinks" ${pollState('/sinks/~states')}>${
    sinks.length === 0
      ? html`<p>There is no sink yet.</p>`
      : sinks.map(
          (sink) => html`<h2><a href="/sinks/${sink.name}">${sink.name}</a>: ${sink.kind}</h2>${state(sink, display)}`,
        )
  }</section>`;

const sinkForm = (form: SpecForm): Markup => html`${specForm('/sinks', 'What it sends where, as JSON', form)}
<p>A secret is the name of a variable of the service’s environment: <code>env:NAME</code>.</p>`;

export const sinksPage = (sinks: SinkView[], form: SpecForm, reader: Reader, display: DisplayOptions): Markup =>
  framedPage(
    'Sinks',
    html`<main class="event"><h1>Sinks</h1>
${sinkStates(sinks, display)}
<h2>New sink</h2>
<p>${Object.keys(templates).map((kind) => html`<a class="button" href="/sinks?kind=${kind}">${kind}</a> `)}</p>
${sinkForm(form)}</main>`,
    reader,
    display,
  );

const action = (name: string, verb: string, label: string, more: Markup | '' = ''): Markup =>
  actionForm(`/sinks/${name}/${verb}`, label, more);

const refusedList = (refused: Refused[], display: DisplayOptions): Markup =>
  html`<ul>${refused.map(({ id, upto, n, reason, at }) => html`<li><a href="${eventHref(id)}">Event ${id}</a>${upto === null ? '' : ` and up to ${upto}: ${n} of them`}: ${visible(reason)}, ${exactTime(at, display)}</li>`)}</ul>`;

/** `said` is what became of a request that was made from the page. */
export const sinkPage = (
  sink: SinkView,
  refused: Refused[],
  said: string | null,
  reader: Reader,
  display: DisplayOptions,
): Markup =>
  framedPage(
    `Sink ${sink.name}`,
    html`<main class="event"><nav aria-label="Sinks"><a href="/sinks">‹ All sinks</a></nav><h1>Sink ${sink.name}</h1>
${said === null ? '' : html`<p role="status">${visible(said)}</p>`}
<div class="details">${state(sink, display)}</div>
<h2>Do</h2>
${action(sink.name, 'test', 'Send a test event')}
${['paused', 'held'].includes(sink.status) ? action(sink.name, 'resume', 'Resume') : action(sink.name, 'pause', 'Pause')}
${action(
  sink.name,
  'replay',
  'Send again',
  html`<label>After event <input name="after" type="text" inputmode="numeric" value="0"></label> <label>until event <input name="until" type="text" inputmode="numeric" placeholder="the newest"></label> `,
)}
${sink.replays.length === 0 ? '' : action(sink.name, 'cancel', 'Stop sending again')}
${refused.length === 0 ? '' : html`<h2>Refused</h2>${action(sink.name, 'retry', 'Send the refused events again')}${refusedList(refused, display)}`}
<h2>Change</h2>${sinkForm({ name: sink.name, spec: specOf(sink), fault: null })}
<h2>Delete</h2><p>Its place in the log and its list of refused events are deleted with it.</p>${action(sink.name, 'delete', 'Delete this sink')}</main>`,
    reader,
    display,
  );
