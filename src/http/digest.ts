/** Digests of texts: SHA-256 (FIPS 180-4), whole or as much of it as tells things apart. */
const encoder = new TextEncoder();

export async function sha256(text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', encoder.encode(text)));
}

/** The first bytes of it in hex. */
export async function shortDigest(text: string, bytes: number): Promise<string> {
  const digest = await sha256(text);
  return [...digest.subarray(0, bytes)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
