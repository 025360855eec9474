// What this browser remembers of its user: theme, time zone of the display, density. Kept in local storage, shared by tabs.
import { useSyncExternalStore } from 'react';

const listeners = new Set<() => void>();
addEventListener('storage', () => {
  for (const listener of listeners) listener();
});

export function remembered(key: string): string | null {
  try {
    return localStorage.getItem(`slipway.${key}`);
  } catch {
    return null;
  }
}

export function remember(key: string, value: string | null) {
  try {
    if (value === null) localStorage.removeItem(`slipway.${key}`);
    else localStorage.setItem(`slipway.${key}`, value);
  } catch {
    // storage may be switched off: then nothing outlives the page
  }
  for (const listener of listeners) listener();
}

/** A remembered text, and how to set it. */
export function useRemembered(key: string): [string | null, (value: string | null) => void] {
  const value = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
      };
    },
    () => remembered(key),
  );
  return [value, (next) => remember(key, next)];
}

export type Theme = 'system' | 'light' | 'dark';

export function useTheme(): [Theme, (theme: Theme) => void] {
  const [value, set] = useRemembered('theme');
  const theme: Theme = value === 'light' || value === 'dark' ? value : 'system';
  return [
    theme,
    (next) => {
      set(next === 'system' ? null : next);
      if (next === 'system') delete document.documentElement.dataset.theme;
      else document.documentElement.dataset.theme = next;
    },
  ];
}

export function useUtc(): [boolean, (utc: boolean) => void] {
  const [value, set] = useRemembered('utc');
  return [value === 'yes', (utc) => set(utc ? 'yes' : null)];
}
