/** A POST of events that the service has read the beginning of. */
import { request } from 'node:http';

const authorization = `Basic ${btoa('admin:admin-password')}`;

/** Sends the beginning of a POST; `finish` sends the rest and resolves with the status of the response. */
export async function halfPost(url: string, body: string): Promise<{ finish(): Promise<number> }> {
  const headers = { authorization, 'content-type': 'application/json', 'content-length': body.length };
  const post = request(`${url}/api/logs`, { method: 'POST', headers });
  const answered = new Promise<number>((resolve, reject) => {
    post.on('response', (answer) => resolve(answer.resume().statusCode ?? 0));
    post.on('error', reject);
  });
  answered.catch(() => {});
  post.write(body.slice(0, 10));
  // The response to a later request shows that the service has read the beginning before its shutdown.
  await (await fetch(`${url}/livez`)).text();
  return {
    finish: () => {
      post.end(body.slice(10));
      return answered;
    },
  };
}
