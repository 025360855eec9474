import type { ButtonHTMLAttributes, Ref } from 'react';
import { Icon, type IconName } from './Icon';

interface Props extends ButtonHTMLAttributes<HTMLButtonElement> {
  kind?: 'primary' | 'plain' | 'quiet' | 'danger';
  icon?: IconName;
  ref?: Ref<HTMLButtonElement>;
}

export function Button({ kind = 'plain', icon, children, className = '', type = 'button', ...rest }: Props) {
  return (
    <button type={type} className={`button ${kind} ${className}`} {...rest}>
      {icon && <Icon name={icon} />}
      {children}
    </button>
  );
}

/** A button of an icon alone; `label` is its name and its tooltip. */
export function IconButton({ label, icon, className = '', ...rest }: Props & { label: string; icon: IconName }) {
  return (
    <button type="button" className={`button quiet iconic ${className}`} aria-label={label} title={label} {...rest}>
      <Icon name={icon} />
    </button>
  );
}
