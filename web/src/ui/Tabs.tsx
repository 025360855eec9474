import { type KeyboardEvent, useRef } from 'react';

interface Props<T extends string> {
  label: string;
  tabs: { id: T; name: string; count?: number }[];
  current: T;
  onSelect: (id: T) => void;
}

/** Tabs by the pattern of ARIA: one stop for Tab, arrows move. The panel has `id={`panel-${id}`}`. */
export function Tabs<T extends string>({ label, tabs, current, onSelect }: Props<T>) {
  const list = useRef<HTMLDivElement>(null);
  const move = (e: KeyboardEvent) => {
    const at = tabs.findIndex((tab) => tab.id === current);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[e.key];
    const tab = to === undefined ? undefined : tabs[(to + tabs.length) % tabs.length];
    if (!tab) return;
    e.preventDefault();
    onSelect(tab.id);
    list.current?.querySelector<HTMLElement>(`#tab-${tab.id}`)?.focus();
  };
  return (
    <div className="tabs" role="tablist" aria-label={label} ref={list} onKeyDown={move}>
      {tabs.map(({ id, name, count }) => (
        <button
          key={id}
          id={`tab-${id}`}
          type="button"
          role="tab"
          aria-selected={id === current}
          aria-controls={id === current ? `panel-${id}` : undefined}
          tabIndex={id === current ? 0 : -1}
          onClick={() => onSelect(id)}
        >
          {name}
          {count !== undefined && <span className="muted"> {count}</span>}
        </button>
      ))}
    </div>
  );
}
