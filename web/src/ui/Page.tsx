import { type ReactNode, useEffect } from 'react';

/** The head of a page: where one is, what it is called, what can be done. */
export function PageHead({
  title,
  name,
  crumbs,
  children,
}: {
  title: ReactNode;
  name: string;
  crumbs?: ReactNode;
  children?: ReactNode;
}) {
  useEffect(() => {
    document.title = `${name} · slipway`;
  }, [name]);
  return (
    <header className="page-head">
      <div className="grow">
        {crumbs && (
          <nav aria-label="Path" className="crumbs">
            {crumbs}
          </nav>
        )}
        <h1 className="cut">{title}</h1>
      </div>
      <div className="row wrap">{children}</div>
    </header>
  );
}

export function Section({ title, children, actions }: { title: string; children: ReactNode; actions?: ReactNode }) {
  return (
    <section className="section">
      <header className="row">
        <h2 className="grow">{title}</h2>
        {actions}
      </header>
      {children}
    </section>
  );
}

/** Names and values, in two columns. */
export function Facts({ facts }: { facts: [string, ReactNode][] }) {
  return (
    <dl className="facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
