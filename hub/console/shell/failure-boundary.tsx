import { Component, type ReactNode } from "react";
import { sentenceOf } from "./sentences.ts";

interface Props {
  children: ReactNode;
}

/** Shows the error of a view that fails, so that the rest of the page stays. */
export class FailureBoundary extends Component<Props, { failure: string | null }> {
  override state: { failure: string | null } = { failure: null };

  static getDerivedStateFromError(thrown: unknown) {
    return { failure: sentenceOf(thrown) };
  }

  override render(): ReactNode {
    const { failure } = this.state;
    if (failure === null) return this.props.children;
    return (
      <main>
        <p id="problem" role="alert">
          This view can't be shown: {failure}
        </p>
        <button type="button" onClick={() => this.setState({ failure: null })}>
          Show it again
        </button>
      </main>
    );
  }
}
