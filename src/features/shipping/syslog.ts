/** Syslog over TLS (RFC 5425). Nothing acknowledges a message: a connection carries one request, and its clean end is the answer. */
import * as v from 'valibot';
import { dialToOf } from '../../http/dial.ts';
import { ReachFault } from '../../http/reach.ts';
import { SinkFault } from '../../log/delivery-sink.ts';
import { bytesOf, certificate, count, kindOf, secret, text, tlsAddress } from './kind.ts';
import { messageOf } from './syslog-message.ts';

export const syslog = kindOf({
  kind: 'syslog',
  fields: {
    url: tlsAddress,
    format: v.optional(v.picklist(['rfc5424', 'cef'], 'must be rfc5424 or cef'), 'rfc5424'),
    /** HOSTNAME of the header. */
    host: v.optional(v.pipe(text(255), v.regex(/^\S*$/, 'must not have spaces')), ''),
    facility: v.optional(count(0, 23), 13),
    /** 32473 is the number of RFC 5612 for who has none of their own. */
    sd_id: v.optional(
      v.pipe(
        v.string('must be text'),
        v.regex(/^[!#-<>-Z\\^-~]{1,32}$/, 'must be the name of a structured data element'),
      ),
      'event@32473',
    ),
    /** RFC 5425 §4.3.1: a receiver must take 2,048 bytes and should take 8,192. */
    message_bytes_max: v.optional(count(2_048, 1_000_000), 8_192),
    ca: v.optional(certificate),
    cert: v.optional(certificate),
    key: v.optional(secret),
  },
  open(spec, { dial }) {
    const to = dialToOf(spec.url);
    if (!to) throw new SinkFault('The address is not tls:// with a host and a port.');
    const { ca, cert, key } = spec;
    return {
      limits: { events_max: 500, bytes_max: 1_000_000 },
      by_range: false,
      /** A frame with octet counting: MSG-LEN SP SYSLOG-MSG. */
      line: (entry) => {
        const message = messageOf(entry, spec);
        return `${bytesOf(message).length} ${message}`;
      },
      async send({ lines, signal }) {
        try {
          await dial(to, bytesOf(lines.join('')), { ca, cert, key, signal });
          return { verdict: 'kept' };
        } catch (error) {
          if (error instanceof ReachFault) return { verdict: error.lasting ? 'wrong' : 'again', reason: error.message };
          throw error;
        }
      },
    };
  },
});
