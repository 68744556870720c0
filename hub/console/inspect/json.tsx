/** A publication's value as a collapsible tree. Leaves are shown as JSON. */
export function Json({ value, name, isOpen = false }: { value: unknown; name?: string; isOpen?: boolean }) {
  const label = name === undefined ? null : <span className="json-name">{name}: </span>;
  if (typeof value !== "object" || value === null) {
    return (
      <div className="json" data-type={value === null ? "null" : typeof value}>
        {label}
        <span className="json-leaf">{JSON.stringify(value)}</span>
      </div>
    );
  }
  const fields = Object.entries(value);
  const [open, close] = Array.isArray(value) ? ["[", "]"] : ["{", "}"];
  if (fields.length === 0) {
    return (
      <div className="json">
        {label}
        {open}
        {close}
      </div>
    );
  }
  return (
    <details className="json" open={isOpen}>
      <summary>
        {label}
        {open} <span className="hint">{fields.length}</span> {close}
      </summary>
      {fields.map(([field, inner]) => (
        <Json key={field} name={field} value={inner} />
      ))}
    </details>
  );
}
