/** The kinds of sinks. */
import { alertmanager } from './alertmanager.ts';
import { elasticsearch } from './elasticsearch.ts';
import type { Kind } from './kind.ts';
import { loki } from './loki.ts';
import { otlp } from './otlp.ts';
import { s3 } from './s3.ts';
import { slack } from './slack.ts';
import { splunk } from './splunk.ts';
import { syslog } from './syslog.ts';
import { webhook } from './webhook.ts';

export const kinds: readonly Kind[] = [elasticsearch, splunk, otlp, s3, webhook, loki, syslog, slack, alertmanager];

export const kindNamed = (name: unknown): Kind | undefined => kinds.find(({ kind }) => kind === name);
