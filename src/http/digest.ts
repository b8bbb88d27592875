/** SHA-256 (FIPS 180-4) of texts, complete or shortened. */
const encoder = new TextEncoder();

export async function sha256(text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', encoder.encode(text)));
}

/** The first bytes of the digest in hex. */
export async function shortDigest(text: string, bytes: number): Promise<string> {
  const digest = await sha256(text);
  return [...digest.subarray(0, bytes)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
