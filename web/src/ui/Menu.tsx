import { type ReactNode, useEffect, useId, useRef, useState } from 'react';
import { Button } from './Button';
import type { IconName } from './Icon';

interface Props {
  label: string;
  icon?: IconName;
  /** What is shown on the button, when not the label. */
  text?: ReactNode;
  kind?: 'plain' | 'quiet';
  align?: 'left' | 'right';
  disabled?: boolean;
  children: (close: () => void) => ReactNode;
}

/** A panel below a button. Escape and a click elsewhere close it; the focus goes back to the button. */
export function Menu({ label, icon, text, kind = 'plain', align = 'left', disabled, children }: Props) {
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const id = useId();
  const close = () => {
    setOpen(false);
    button.current?.focus();
  };
  useEffect(() => {
    if (!open) return;
    const outside = (e: PointerEvent) => e.target instanceof Node && !root.current?.contains(e.target) && setOpen(false);
    addEventListener('pointerdown', outside);
    root.current?.querySelector<HTMLElement>('.menu-panel :is(input, button, a, select)')?.focus();
    return () => removeEventListener('pointerdown', outside);
  }, [open]);
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: hears Escape from whatever is inside
    <div
      className="menu"
      ref={root}
      onKeyDown={(e) => {
        if (e.key !== 'Escape' || !open) return;
        e.stopPropagation();
        close();
      }}
      onBlur={(e) => {
        if (e.relatedTarget instanceof Node && !root.current?.contains(e.relatedTarget)) setOpen(false);
      }}
    >
      <Button
        ref={button}
        kind={kind}
        icon={icon}
        disabled={disabled}
        aria-expanded={open}
        aria-controls={open ? id : undefined}
        aria-label={text === undefined ? undefined : label}
        title={text === undefined ? undefined : label}
        onClick={() => setOpen(!open)}
      >
        {text ?? label}
      </Button>
      {open && (
        <div id={id} className={`menu-panel ${align}`} role="group" aria-label={label}>
          {children(close)}
        </div>
      )}
    </div>
  );
}

/** One choice of a menu. */
export function Item({
  children,
  onSelect,
  icon,
  checked,
}: {
  children: ReactNode;
  onSelect: () => void;
  icon?: IconName;
  checked?: boolean;
}) {
  return (
    <Button
      kind="quiet"
      className="item"
      icon={checked === undefined ? icon : checked ? 'check' : undefined}
      aria-pressed={checked}
      onClick={onSelect}
    >
      {children}
    </Button>
  );
}
