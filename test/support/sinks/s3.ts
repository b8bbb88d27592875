/** A strict S3: it computes each signature itself (AWS Signature Version 4), and refuses to overwrite an object with other bytes. */
import { createHash, createHmac } from 'node:crypto';
import { type FarSide, farSide, type Reply } from './far-side.ts';

export type S3 = FarSide & {
  objects: Map<string, Buffer>;
  /** Whether `If-None-Match` is a thing that it knows; some stores answer 501. */
  hasConditions: boolean;
  /** Shares of answers that are lost after the object was stored. */
  cut: (n: number) => boolean;
  /** How long an answer takes after the object was stored. */
  wait_ms: () => number;
};

const sha256 = (data: string | Buffer) => createHash('sha256').update(data).digest('hex');
const hmac = (key: string | Buffer, data: string) => createHmac('sha256', key).update(data).digest();

export async function s3(keyId: string, secretKey: string, region: string): Promise<S3> {
  let n = 0;
  const side: S3 = Object.assign(await farSide(reply), {
    objects: new Map<string, Buffer>(),
    hasConditions: true,
    cut: () => false,
    wait_ms: () => 0,
  });
  function reply({ method, path, headers, body }: Parameters<Parameters<typeof farSide>[0]>[0]): Reply {
    const form =
      /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, SignedHeaders=([^,]+), Signature=([\da-f]{64})$/;
    const [, id, day = '', where = '', names = '', signature] = form.exec(String(headers.authorization)) ?? [];
    if (headers['x-amz-content-sha256'] !== sha256(body))
      return { status: 400, body: '<Code>XAmzContentSHA256Mismatch</Code>' };
    const canonical = [
      method,
      path,
      '',
      ...names.split(';').map((name) => `${name}:${headers[name]}`),
      '',
      names,
      sha256(body),
    ].join('\n');
    const toSign = [
      'AWS4-HMAC-SHA256',
      headers['x-amz-date'],
      `${day}/${where}/s3/aws4_request`,
      sha256(canonical),
    ].join('\n');
    const key = [day, where, 's3', 'aws4_request'].reduce<string | Buffer>(
      (signing, part) => hmac(signing, part),
      `AWS4${secretKey}`,
    );
    const isSigned = ['host', 'x-amz-date', 'x-amz-content-sha256'].every((name) => names.split(';').includes(name));
    if (id !== keyId || where !== region || !isSigned || hmac(key, toSign).toString('hex') !== signature)
      return { status: 403, body: '<Code>SignatureDoesNotMatch</Code>' };
    if (method === 'DELETE') return { status: side.objects.delete(path) ? 204 : 404 };
    if (method !== 'PUT') throw new Error(method);
    const isConditional = headers['if-none-match'] === '*';
    if (isConditional && !side.hasConditions) return { status: 501, body: '<Code>NotImplemented</Code>' };
    const known = side.objects.get(path);
    if (known && !known.equals(body)) throw new Error(`${path} would be overwritten with other bytes`);
    if (known && isConditional) return { status: 412, body: '<Code>PreconditionFailed</Code>' };
    side.objects.set(path, body);
    n += 1;
    return { cut: side.cut(n), wait_ms: side.wait_ms() };
  }
  return side;
}
