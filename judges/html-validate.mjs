export default {
  root: true,
  extends: ["html-validate:recommended", "html-validate:document", "html-validate:a11y"],
  rules: {
    // Files of the site itself come by the same TLS as the page that would name their sums.
    "require-sri": ["error", { target: "crossorigin" }],
  },
};
