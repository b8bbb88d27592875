/**
 * AWS CloudTrail records as events: `npm run import -- --adapter test/adapters/cloudtrail.ts <file.json> …`. A value that
 * has no field of its own, or does not fit there, is kept in metadata under its own name.
 */
import { isIP } from 'node:net';
import { type EntryInput, entryLimits, type Metadata } from '../../src/log/entry.ts';

export const records = 'Records';

type Fields = { [key: string]: unknown };

const verbs: [RegExp, string][] = [
  [/^(Create|Put|Run)(?![a-z])/, 'CREATE'],
  [/^(Delete|Terminate)(?![a-z])/, 'DELETE'],
  [
    /^(Update|Modify|Change|Set|Replace|Add|Remove|Attach|Detach|Associate|Disassociate|Enable|Disable)(?![a-z])/,
    'UPDATE',
  ],
];

/** The request parameters that identify the entity, the most specific first. */
const namingParameters = [
  ...['bucketName', 'functionName', 'secretId', 'instanceId', 'roleName', 'userName', 'groupName', 'policyArn'],
  ...['trailName', 'keyId', 'vpcId', 'subnetId', 'groupId', 'routeTableId', 'resourceId', 'name'],
];

const suffix = '.amazonaws.com';

/** Converts one record to one event. Throws for a record that is not of CloudTrail. */
export default function cloudtrail(record: unknown): EntryInput {
  const { eventTime, eventName, eventSource, eventID, sourceIPAddress, userAgent, ...rest } = fields(record);
  if (!isText(eventTime) || !isText(eventName) || !isText(eventSource) || !isText(eventID))
    throw new Error('eventTime, eventName, eventSource and eventID are needed');
  const service = eventSource.endsWith(suffix) ? eventSource.slice(0, -suffix.length) : eventSource;
  const address = isText(sourceIPAddress) && isIP(sourceIPAddress) > 0 && !sourceIPAddress.includes('%');
  const fits = isText(userAgent) && fitsIn(userAgent, entryLimits.user_agent_chars_max);
  return {
    timestamp: eventTime,
    event_type: verbs.find(([verb]) => verb.test(eventName))?.[1] ?? truncate(eventName, entryLimits.label_chars_max),
    entity_type: truncate(service, entryLimits.label_chars_max),
    service: truncate(service, entryLimits.service_chars_max),
    entity_id: entityOf(rest),
    user_id: userOf(fields(rest.userIdentity)),
    description: isText(rest.errorCode) ? `${eventName} failed: ${rest.errorCode}` : eventName,
    event_uid: eventID,
    ip_address: address ? sourceIPAddress : null,
    user_agent: fits ? userAgent : null,
    metadata: {
      // The full name is filtered by most often; event_type may hold only its verb.
      eventName,
      ...(eventSource !== service + suffix || !fitsIn(service, entryLimits.label_chars_max) ? { eventSource } : {}),
      ...(address || sourceIPAddress === undefined ? {} : { sourceIPAddress }),
      ...(fits || userAgent === undefined ? {} : { userAgent }),
      ...rest,
    } as Metadata,
  };
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';
const fitsIn = (text: string, chars_max: number) => [...text].length <= chars_max;
const truncate = (text: string, chars_max: number) => [...text].slice(0, chars_max).join('');

const fields = (value: unknown): Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};

/** An identifier that is too long is left out (metadata has it), because two truncated ones could be equal. */
const identifier = (values: unknown[]) =>
  values.find((value): value is string => isText(value) && fitsIn(value, entryLimits.identifier_chars_max)) ?? null;

function entityOf({ resources, requestParameters, requestID }: Fields): string | null {
  const named = fields(requestParameters);
  const arns = Array.isArray(resources) ? resources.map((resource) => fields(resource).ARN) : [];
  return identifier([...arns, ...namingParameters.map((name) => named[name]), requestID]);
}

/** The user's name, else the ARN of a role or the root, else the service that acted, else the account. */
const userOf = ({ userName, arn, invokedBy, principalId, accountId }: Fields) =>
  identifier([userName, arn, invokedBy, principalId, accountId]);
