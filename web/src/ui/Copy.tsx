import { useState } from 'react';
import { IconButton } from './Button';

/** Copies a text. */
export function Copy({ text, label = 'Copy' }: { text: string; label?: string }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    if (!(await write(text))) return;
    setDone(true);
    setTimeout(() => setDone(false), 1500);
  };
  return (
    <>
      <IconButton icon={done ? 'check' : 'copy'} label={label} onClick={copy} />
      <span className="sr" role="status">
        {done ? 'Copied' : ''}
      </span>
    </>
  );
}

async function write(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // without https there is no clipboard; a selection can still be copied
    const area = document.createElement('textarea');
    area.value = text;
    document.body.append(area);
    area.select();
    const copied = document.execCommand('copy');
    area.remove();
    return copied;
  }
}

/** Lines to be copied into a terminal or a program. */
export function Snippet({ text, label }: { text: string; label: string }) {
  return (
    <figure className="snippet" aria-label={label}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <pre tabIndex={0}>{text}</pre>
      <Copy text={text} label={`Copy ${label}`} />
    </figure>
  );
}
