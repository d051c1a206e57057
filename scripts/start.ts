// `npm start`: a local bank with its branches.
console.log("npm start: nothing to start yet.");
