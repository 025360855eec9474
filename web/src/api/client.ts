// The only place that talks to the server: a client typed by our own API document, and the one form that failures have.
import createClient from 'openapi-fetch';
import type { components, paths } from './schema';

export type Schemas = components['schemas'];

export const api = createClient<paths>({ baseUrl: '/' });

/** A request that failed: the server's problem document, or `unreachable` when there was no answer. */
export class ApiError extends Error {
  override name = 'ApiError';
  constructor(
    readonly code: string,
    detail: string,
    readonly status: number,
    readonly requestId: string,
    /** The whole problem document: facts such as `state`, `gates` or `at`. */
    readonly problem: Record<string, unknown> = {},
  ) {
    super(detail);
  }
}

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** Waits for an answer and takes its body, or throws an `ApiError`. */
export async function must<T>(asked: Promise<Answer<T>>): Promise<T> {
  let answer: Answer<T>;
  try {
    answer = await asked;
  } catch (e) {
    if (e instanceof DOMException && e.name === 'AbortError') throw e;
    throw new ApiError('unreachable', 'the server does not answer', 0, '');
  }
  if (answer.response.ok) return answer.data as T;
  throw refusal(answer.response, answer.error);
}

/** Reads what a refusal says. */
export function refusal(response: Response, body: unknown): ApiError {
  const problem = typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {};
  const code = typeof problem.code === 'string' ? problem.code : `http_${response.status}`;
  const detail = typeof problem.detail === 'string' ? problem.detail : response.statusText || 'the request failed';
  return new ApiError(code, detail, response.status, response.headers.get('x-request-id') ?? '', problem);
}
