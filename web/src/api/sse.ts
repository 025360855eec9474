// Server-sent events read by `fetch`. The browser's own `EventSource` neither tells a refusal from a pause, nor lets anyone hear
// of events whose names are not known beforehand, nor of the comments that say that the line is alive.

export interface Message {
  id: string;
  name: string;
  data: string;
}

/** Cuts text into messages; text may be cut anywhere. A comment is a message without data. */
export function reader(take: (message: Message) => void) {
  let rest = '';
  return (text: string) => {
    const blocks = (rest + text).split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const message: Message = { id: '', name: '', data: '' };
      for (const line of block.split('\n')) {
        const colon = line.indexOf(':');
        const value = line.slice(colon + 1).replace(/^ /, '');
        const field = line.slice(0, Math.max(colon, 0));
        if (field === 'id') message.id = value;
        else if (field === 'event') message.name = value;
        else if (field === 'data') message.data += value;
      }
      take(message);
    }
  };
}

/** Follows a stream until it ends; fails when it is refused or breaks off. */
export async function follow(
  url: string,
  signal: AbortSignal,
  opened: () => void,
  take: (message: Message) => void,
): Promise<void> {
  const response = await fetch(url, { signal, headers: { accept: 'text/event-stream' } });
  if (!response.ok || !response.body) throw new Error(`http ${response.status}`);
  opened();
  const feed = reader(take);
  const decoder = new TextDecoder();
  const body = response.body.getReader();
  for (;;) {
    const { done, value } = await body.read();
    if (done) return;
    feed(decoder.decode(value, { stream: true }));
  }
}
